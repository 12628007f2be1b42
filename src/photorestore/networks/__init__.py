"""The networks: `nn.Module` only, no behaviour."""
