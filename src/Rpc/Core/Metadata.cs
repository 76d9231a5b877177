using System.Collections;
using System.Text;

namespace Grpc.Core;

/// <summary>The headers or trailers of a call: names in lower case, values ASCII or, under names in "-bin", bytes.</summary>
public sealed class Metadata : IList<Metadata.Entry>
{
    /// <summary>Names with this end carry bytes, base64 on the wire.</summary>
    public const string BinaryHeaderSuffix = "-bin";

    /// <summary>No entries, and none can be added.</summary>
    public static readonly Metadata Empty = new(isReadOnly: true);

    private readonly List<Entry> _entries = [];

    public Metadata()
    {
    }

    private Metadata(bool isReadOnly) => IsReadOnly = isReadOnly;

    public int Count => _entries.Count;

    public bool IsReadOnly { get; private set; }

    public Entry this[int index]
    {
        get => _entries[index];
        set
        {
            ThrowIfReadOnly();
            ArgumentNullException.ThrowIfNull(value);
            _entries[index] = value;
        }
    }

    /// <summary>The last entry under a name, or null.</summary>
    public Entry? Get(string key)
    {
        for (var i = _entries.Count - 1; i >= 0; i--)
        {
            if (_entries[i].HasKey(key))
            {
                return _entries[i];
            }
        }

        return null;
    }

    /// <summary>The last text under a name, or null.</summary>
    /// <exception cref="InvalidOperationException">The name's values are bytes.</exception>
    public string? GetValue(string key) => Get(key) is not { } entry
        ? null
        : entry.IsBinary
            ? throw new InvalidOperationException($"Metadata '{key}' holds bytes; read it with GetValueBytes.")
            : entry.Value;

    /// <summary>The last value under a name as bytes, or null.</summary>
    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;

    /// <summary>All entries under a name, in the order in which they came.</summary>
    public IEnumerable<Entry> GetAll(string key) => _entries.Where(entry => entry.HasKey(key));

    public void Add(string key, string value) => Add(new Entry(key, value));

    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));

    public void Add(Entry item)
    {
        ThrowIfReadOnly();
        ArgumentNullException.ThrowIfNull(item);
        _entries.Add(item);
    }

    public void Clear()
    {
        ThrowIfReadOnly();
        _entries.Clear();
    }

    public bool Contains(Entry item) => _entries.Contains(item);

    public void CopyTo(Entry[] array, int arrayIndex) => _entries.CopyTo(array, arrayIndex);

    public int IndexOf(Entry item) => _entries.IndexOf(item);

    public void Insert(int index, Entry item)
    {
        ThrowIfReadOnly();
        ArgumentNullException.ThrowIfNull(item);
        _entries.Insert(index, item);
    }

    public bool Remove(Entry item)
    {
        ThrowIfReadOnly();
        return _entries.Remove(item);
    }

    public void RemoveAt(int index)
    {
        ThrowIfReadOnly();
        _entries.RemoveAt(index);
    }

    public IEnumerator<Entry> GetEnumerator() => _entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _entries.GetEnumerator();

    internal Metadata Freeze()
    {
        IsReadOnly = true;
        return this;
    }

    private void ThrowIfReadOnly()
    {
        if (IsReadOnly)
        {
            throw new InvalidOperationException("This metadata is read-only; make a new Metadata and add to that.");
        }
    }

    /// <summary>One name and its value.</summary>
    public sealed class Entry
    {
        private readonly string? _value;
        private readonly byte[]? _bytes;

        /// <param name="key">Letters, digits, '_', '-' and '.'; stored in lower case; not ending in "-bin".</param>
        /// <param name="value">Printable ASCII, 0x20 to 0x7E.</param>
        public Entry(string key, string value)
        {
            ArgumentNullException.ThrowIfNull(value);
            Key = NormalizeKey(key);
            if (IsBinary)
            {
                throw new ArgumentException($"Metadata '{Key}' ends in -bin and needs bytes, not text.", nameof(value));
            }

            var bad = value.AsSpan().IndexOfAnyExceptInRange(' ', '~');
            if (bad >= 0)
            {
                throw new ArgumentException(
                    $"Metadata '{Key}' holds U+{(int)value[bad]:X4} at index {bad}; only printable ASCII can be sent. " +
                    $"Use '{Key}-bin' with bytes.", nameof(value));
            }

            _value = value;
        }

        /// <param name="key">As above, ending in "-bin".</param>
        /// <param name="valueBytes">Copied.</param>
        public Entry(string key, byte[] valueBytes)
        {
            ArgumentNullException.ThrowIfNull(valueBytes);
            Key = NormalizeKey(key);
            if (!IsBinary)
            {
                throw new ArgumentException($"Metadata '{Key}' holds bytes, so its name must end in -bin.", nameof(key));
            }

            _bytes = (byte[])valueBytes.Clone();
        }

        private Entry(string key, string? value, byte[]? bytes)
        {
            Key = key;
            _value = value;
            _bytes = bytes;
        }

        public string Key { get; }

        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        /// <exception cref="InvalidOperationException">The value is bytes.</exception>
        public string Value => _value
            ?? throw new InvalidOperationException($"Metadata '{Key}' holds bytes; read ValueBytes.");

        /// <summary>A copy of the bytes; of text, its ASCII bytes.</summary>
        public byte[] ValueBytes => _bytes is null ? Encoding.ASCII.GetBytes(_value!) : (byte[])_bytes.Clone();

        public override string ToString() => IsBinary
            ? $"[Entry: key={Key}, valueBytes={Convert.ToHexString(_bytes!)}]"
            : $"[Entry: key={Key}, value={_value}]";

        /// <summary>A text entry as it came from the wire, where any byte may stand in it.</summary>
        internal static Entry FromWire(string key, string value) =>
            new(key.ToLowerInvariant(), value, bytes: null);

        /// <summary>A binary entry that takes over the array.</summary>
        internal static Entry FromWire(string key, byte[] bytes) =>
            new(key.ToLowerInvariant(), value: null, bytes);

        internal ReadOnlySpan<byte> BinarySpan => _bytes;

        internal bool HasKey(string key) => string.Equals(Key, key, StringComparison.OrdinalIgnoreCase);

        private static string NormalizeKey(string key)
        {
            ArgumentException.ThrowIfNullOrEmpty(key);
            foreach (var c in key)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.'))
                {
                    throw new ArgumentException(
                        $"Metadata name '{key}' holds '{c}'; only letters, digits, '_', '-' and '.' are allowed.", nameof(key));
                }
            }

            return key.ToLowerInvariant();
        }
    }
}
