"""The parts of scripts/build_engines.py: from ONNX to plans in a model repository."""
