[assembly: TestFramework("Serving.Testing.SkippingFramework", "Tensors.Torch.Tests")]
