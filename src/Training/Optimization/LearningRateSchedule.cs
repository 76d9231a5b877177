namespace Serving.Training.Optimization;

/// <summary>How the learning rate goes on after the warm-up.</summary>
public enum Decay
{
    None,

    /// <summary>In a straight line to 0.</summary>
    Linear,

    /// <summary>Along half a cosine to 0 (Loshchilov and Hutter 2017, eq. 5, without restarts).</summary>
    Cosine
}

/// <summary>The learning rate as training goes on.</summary>
public interface ILearningRateSchedule
{
    /// <param name="step">The step to be taken, from 1.</param>
    /// <param name="elapsed">The time spent on the steps before.</param>
    float At(long step, TimeSpan elapsed);
}

/// <summary>The learning rate of each step.</summary>
/// <param name="Peak">The rate at the end of the warm-up; above 0.</param>
/// <param name="WarmUpSteps">Steps in which it rises in a straight line from 0.</param>
/// <param name="TotalSteps">At the end of which it is 0, if it decays.</param>
public sealed record LearningRateSchedule(float Peak, Decay Decay, long WarmUpSteps, long TotalSteps)
    : ILearningRateSchedule
{
    /// <param name="step">From 1.</param>
    public float At(long step)
    {
        if (step <= WarmUpSteps)
            return (float)(Peak * (step / (double)WarmUpSteps));
        var done = Math.Clamp((step - WarmUpSteps - 1) / (double)Math.Max(1, TotalSteps - WarmUpSteps), 0, 1);
        return (float)(Peak * Decay switch
        {
            Decay.Linear => 1 - done,
            Decay.Cosine => (1 + Math.Cos(Math.PI * done)) / 2,
            _ => 1
        });
    }

    float ILearningRateSchedule.At(long step, TimeSpan elapsed) => At(step);
}

/// <summary>A learning rate by time: rises linearly, then falls linearly to 0 (Izsak et al. 2021, sec. 4).</summary>
/// <param name="Peak">The rate at the end of the warm-up; above 0.</param>
/// <param name="WarmUp">The part of the budget in which it rises, 0 to 1.</param>
public sealed record BudgetSchedule(float Peak, TimeSpan Budget, double WarmUp) : ILearningRateSchedule
{
    public float At(TimeSpan elapsed)
    {
        var done = elapsed / Budget;
        var factor = done < WarmUp ? done / WarmUp : Math.Max(0, 1 - done) / Math.Max(double.Epsilon, 1 - WarmUp);
        return (float)(Peak * factor);
    }

    float ILearningRateSchedule.At(long step, TimeSpan elapsed) => At(elapsed);
}

/// <summary>Falls along half a cosine to 0, again and again (Loshchilov and Hutter 2017, eq. 5).</summary>
/// <param name="Peak">The rate at the beginning of a cycle; above 0.</param>
/// <param name="Cycles">Of all steps, equally long.</param>
public sealed record RestartingSchedule(float Peak, long TotalSteps, int Cycles) : ILearningRateSchedule
{
    public float At(long step, TimeSpan elapsed)
    {
        var place = (step - 1) * Cycles % TotalSteps / (double)TotalSteps;
        return (float)(Peak * (1 + Math.Cos(Math.PI * place)) / 2);
    }
}
