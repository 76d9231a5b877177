using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Recurrent networks, step by step.</summary>
public sealed partial class TorchBackend
{
    private const int LstmGates = 4;

    public override void Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output)
    {
        Shapes.Lstm(gates, recurrent, steps, hidden, cell, cells, output);
        var packed = (TorchPackedWeight)recurrent;
        using var operation = _context.Begin();
        var offsets = steps.Values;
        var (before, cellBefore) = hidden.IsNone ? (null, null) : (View(hidden), View(cell));
        for (var step = 0; step < offsets.Length - 1; step++)
        {
            using var temporaries = torch.NewDisposeScope();
            var (first, count) = (offsets[step], offsets[step + 1] - offsets[step]);
            var ofStep = View(gates).narrow(0, first, count);
            if (before is not null)
            {
                var product = torch.empty_like(ofStep);
                Product(before.narrow(0, 0, count), packed, mask: null, product);
                ofStep.add_(product);
            }

            var parts = ofStep.chunk(LstmGates, 1);
            var (input, forget, candidate, exit) =
                (parts[0].sigmoid_(), parts[1].sigmoid_(), parts[2].tanh_(), parts[3].sigmoid_());
            var state = View(cells).narrow(0, first, count);
            state.copy_(input * candidate);
            if (cellBefore is not null)
                state.addcmul_(forget, cellBefore.narrow(0, 0, count), _context.One);
            var result = View(output).narrow(0, first, count);
            result.copy_(state.tanh().mul_(exit));
            (before, cellBefore) = (result.MoveToOuterDisposeScope(), state.MoveToOuterDisposeScope());
        }
    }

    public override void LstmGradient(
        Tensor gates, Tensor recurrent, IndexBuffer steps, Tensor cell, Tensor cells, Tensor outputGradient,
        Tensor gatesGradient, Tensor hiddenGradient, Tensor cellGradient)
    {
        Shapes.LstmGradient(
            gates, recurrent, steps, cell, cells, outputGradient, gatesGradient, hiddenGradient, cellGradient);
        using var operation = _context.Begin();
        var weight = View(recurrent);
        var (carried, carriedCell) = (View(hiddenGradient).zero_(), View(cellGradient).zero_());
        var offsets = steps.Values;
        for (var step = offsets.Length - 2; step >= 0; step--)
        {
            using var temporaries = torch.NewDisposeScope();
            var (first, count) = (offsets[step], offsets[step + 1] - offsets[step]);
            var parts = View(gates).narrow(0, first, count).chunk(LstmGates, 1);
            var (input, forget, candidate, exit) = (parts[0], parts[1], parts[2], parts[3]);
            var tanh = View(cells).narrow(0, first, count).tanh();
            var ofOutput = View(outputGradient).narrow(0, first, count) + carried.narrow(0, 0, count);
            var ofNext = carriedCell.narrow(0, 0, count);
            var ofCell = (ofOutput * exit).mul_(TanhSlope(tanh)).add_(ofNext);
            var ofForget = torch.zeros_like(ofCell);
            if (step > 0)
                ofForget = ofCell * View(cells).narrow(0, offsets[step - 1], count);
            else if (!cell.IsNone)
                ofForget = ofCell * View(cell);
            var all = torch.cat(
                [
                    (ofCell * candidate).mul_(SigmoidSlope(input)), ofForget.mul_(SigmoidSlope(forget)),
                    (ofCell * input).mul_(TanhSlope(candidate)), (ofOutput * tanh).mul_(SigmoidSlope(exit))
                ], 1);
            ofNext.copy_(ofCell * forget);
            carried.narrow(0, 0, count).copy_(all.mm(weight));
            View(gatesGradient).narrow(0, first, count).copy_(all);
        }
    }

    /// <summary>1 - t², from the value of the tanh.</summary>
    private torch.Tensor TanhSlope(torch.Tensor tanh) => (tanh * tanh).neg_().add_(_context.One);

    /// <summary>s (1 - s), from the value of the sigmoid.</summary>
    private static torch.Tensor SigmoidSlope(torch.Tensor sigmoid) => sigmoid - (sigmoid * sigmoid);
}
