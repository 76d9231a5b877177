using System.Buffers.Binary;
using System.Numerics;

namespace Serving.Models;

/// <summary>
/// Masks in few bytes: Rice's code of the gaps between the rarer bits (Golomb 1966; Rice and Plaunt 1971).
/// </summary>
/// <remarks>
/// Of a mask whose bits are independent, the gaps are geometrically distributed, for which this code comes within 2% of
/// the entropy: 5% zeros take 0.29 bits a weight. A code is a byte (bits 0 to 4: r; bit 7: what is listed), the number
/// of listed bits as 32 bits little-endian, and for each of them, lowest bit first, its distance to the one before:
/// distance / 2^r in ones and a zero, then the lower r bits. Spare bits at the end are 0.
/// </remarks>
public static class MaskCode
{
    private const int HeaderBytes = 5;
    private const int MostLowBits = 31;
    private const byte ListsOnes = 0x80;

    /// <summary>Encodes a mask.</summary>
    /// <param name="bits">See <see cref="BitMask"/>.</param>
    /// <param name="count">Of the weights.</param>
    /// <returns>The code; null if it is not shorter than the bits.</returns>
    public static byte[]? Encode(ReadOnlySpan<byte> bits, long count)
    {
        var kept = BitMask.PopCount(bits);
        var listsOnes = kept <= count / 2;
        var listed = listsOnes ? kept : count - kept;
        if (listed > uint.MaxValue)
            return null;
        var (lowBits, size) = Best(bits, count, listsOnes);
        var bytes = HeaderBytes + ((size + 7) / 8);
        if (bytes >= bits.Length)
            return null;
        var code = new byte[bytes];
        code[0] = (byte)(lowBits | (listsOnes ? ListsOnes : 0));
        BinaryPrimitives.WriteUInt32LittleEndian(code.AsSpan(1), (uint)listed);
        var writer = new BitWriter(code.AsSpan(HeaderBytes));
        foreach (var gap in new Gaps(bits, count, listsOnes))
        {
            writer.WriteOnes(gap >> lowBits);
            writer.Write((ulong)gap & ((1UL << lowBits) - 1), lowBits);
        }

        return code;
    }

    /// <summary>Decodes a mask.</summary>
    /// <param name="count">Of the weights.</param>
    /// <returns>Its bits, see <see cref="BitMask"/>.</returns>
    /// <exception cref="FormatException">It is no code of so many bits.</exception>
    public static byte[] Decode(ReadOnlySpan<byte> code, long count)
    {
        if (code.Length < HeaderBytes || (code[0] & 0x60) != 0)
            throw new FormatException("It does not begin as a code does.");
        var listsOnes = (code[0] & ListsOnes) != 0;
        var lowBits = code[0] & MostLowBits;
        var listed = BinaryPrimitives.ReadUInt32LittleEndian(code[1..]);
        var bits = new byte[(count + 7) / 8];
        if (!listsOnes)
            bits.AsSpan().Fill(byte.MaxValue);
        var reader = new BitReader(code[HeaderBytes..]);
        var at = -1L;
        for (var i = 0u; i < listed; i++)
        {
            at += 1 + (reader.ReadOnes() << lowBits) + (long)reader.Read(lowBits);
            if (at < 0 || at >= count)
                throw new FormatException($"It goes on to bit {at} of {count}.");
            bits[at >> 3] ^= (byte)(1 << (int)(at & 7));
        }

        if (!reader.IsOver)
            throw new FormatException("It goes on behind its last bit.");
        if (!listsOnes && count % 8 != 0)
            bits[^1] &= (byte)((1 << (int)(count % 8)) - 1);
        return bits;
    }

    /// <summary>The number of lower bits with the shortest code, and its bits.</summary>
    private static (int LowBits, long Size) Best(ReadOnlySpan<byte> bits, long count, bool listsOnes)
    {
        // Sums of gap / 2^r for all r at once.
        Span<long> quotients = stackalloc long[MostLowBits + 1];
        var listed = 0L;
        foreach (var gap in new Gaps(bits, count, listsOnes))
        {
            listed++;
            var rest = gap;
            for (var r = 0; rest > 0; r++, rest >>= 1)
                quotients[r] += rest;
        }

        var best = (LowBits: 0, Size: long.MaxValue);
        for (var r = 0; r <= MostLowBits; r++)
        {
            var size = quotients[r] + (listed * (1 + r));
            if (size < best.Size)
                best = (r, size);
        }

        return best;
    }

    /// <summary>The gaps before the listed bits, in their order.</summary>
    private ref struct Gaps(ReadOnlySpan<byte> bits, long count, bool listsOnes)
    {
        private readonly ReadOnlySpan<byte> _bits = bits;
        private int _byte = -1;
        private uint _rest; // Listed bits of the present byte that are still to come.
        private long _before = -1;

        public long Current { get; private set; }

        public readonly Gaps GetEnumerator() => this;

        public bool MoveNext()
        {
            while (_rest == 0)
            {
                if (++_byte >= _bits.Length)
                    return false;
                _rest = listsOnes ? _bits[_byte] : (byte)~_bits[_byte];
            }

            var at = (8L * _byte) + BitOperations.TrailingZeroCount(_rest);
            if (at >= count)
                return false;
            _rest &= _rest - 1;
            (Current, _before) = (at - _before - 1, at);
            return true;
        }
    }

    private ref struct BitWriter(Span<byte> bytes)
    {
        private readonly Span<byte> _bytes = bytes;
        private long _at;

        /// <summary>So many ones, and a zero.</summary>
        public void WriteOnes(long ones)
        {
            for (; ones > 0; ones--)
                Set(_at++);
            _at++;
        }

        public void Write(ulong value, int count)
        {
            for (var i = 0; i < count; i++, _at++)
            {
                if ((value >> i & 1) != 0)
                    Set(_at);
            }
        }

        private readonly void Set(long bit) => _bytes[(int)(bit >> 3)] |= (byte)(1 << (int)(bit & 7));
    }

    private ref struct BitReader(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;
        private int _next;
        private ulong _bits; // Read ahead, the next one lowest; zeros above.
        private int _available;

        /// <summary>Whether nothing but zeros in the last byte is left.</summary>
        public readonly bool IsOver => _next == _bytes.Length && _available < 8 && _bits == 0;

        /// <returns>How many ones come before the next zero.</returns>
        public long ReadOnes()
        {
            var ones = 0L;
            while (true)
            {
                Fill();
                var run = Math.Min(BitOperations.TrailingZeroCount(~_bits), _available);
                ones += run;
                if (run < _available)
                {
                    Skip(run + 1);
                    return ones;
                }

                if (_available == 0)
                    throw new FormatException("It ends within a gap.");
                Skip(run);
            }
        }

        public ulong Read(int count)
        {
            if (_available < count)
                Fill();
            if (_available < count)
                throw new FormatException("It ends within a gap.");
            var value = _bits & ((1UL << count) - 1);
            Skip(count);
            return value;
        }

        private void Fill()
        {
            if (_available <= 32 && _bytes.Length - _next >= sizeof(uint))
            {
                _bits |= (ulong)BinaryPrimitives.ReadUInt32LittleEndian(_bytes[_next..]) << _available;
                _next += sizeof(uint);
                _available += 32;
                return;
            }

            while (_available <= 56 && _next < _bytes.Length)
            {
                _bits |= (ulong)_bytes[_next++] << _available;
                _available += 8;
            }
        }

        private void Skip(int count)
        {
            _bits = count == 64 ? 0 : _bits >> count;
            _available -= count;
        }
    }
}
