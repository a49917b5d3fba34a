"""The network of a detector in another runtime: OpenVINO, or ONNX Runtime."""
