namespace Serving.Tensors.Cpu.Kernels;

/// <summary>How many rows a tile has. A type, so that each count is compiled by itself.</summary>
internal interface IRowCount
{
    static abstract int Value { get; }
}

internal struct Rows1 : IRowCount
{
    public static int Value => 1;
}

internal struct Rows2 : IRowCount
{
    public static int Value => 2;
}

internal struct Rows3 : IRowCount
{
    public static int Value => 3;
}

internal struct Rows4 : IRowCount
{
    public static int Value => 4;
}

internal struct Rows5 : IRowCount
{
    public static int Value => 5;
}

internal struct Rows6 : IRowCount
{
    public static int Value => 6;
}

internal struct Rows7 : IRowCount
{
    public static int Value => 7;
}

internal struct Rows8 : IRowCount
{
    public static int Value => 8;
}

internal struct Rows9 : IRowCount
{
    public static int Value => 9;
}

internal struct Rows10 : IRowCount
{
    public static int Value => 10;
}

internal struct Rows11 : IRowCount
{
    public static int Value => 11;
}

internal struct Rows12 : IRowCount
{
    public static int Value => 12;
}

internal struct Rows13 : IRowCount
{
    public static int Value => 13;
}

internal struct Rows14 : IRowCount
{
    public static int Value => 14;
}
