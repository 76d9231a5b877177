using System.Buffers.Binary;
using System.Reflection;
using System.Reflection.Emit;

namespace Serving.Architecture.Tests;

/// <summary>The metadata tokens of types and members in a method's body.</summary>
internal static class MethodTokens
{
    private const byte TwoBytes = 0xFE; // Begins the opcodes of two bytes.

    private static readonly Dictionary<ushort, OperandType> Operands = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => (ushort)code.Value, code => code.OperandType);

    public static IEnumerable<int> Of(byte[] body)
    {
        for (var at = 0; at < body.Length;)
        {
            var code = body[at] == TwoBytes ? (ushort)((TwoBytes << 8) | body[at + 1]) : body[at];
            at += code > byte.MaxValue ? 2 : 1;
            var operand = Operands[code];
            if (operand is OperandType.InlineType or OperandType.InlineMethod or OperandType.InlineField
                or OperandType.InlineTok)
                yield return BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(at));
            at += Size(operand, body, at);
        }
    }

    private static int Size(OperandType operand, byte[] body, int at) => operand switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch =>
            sizeof(int) * (1 + BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(at))),
        _ => 4
    };
}
