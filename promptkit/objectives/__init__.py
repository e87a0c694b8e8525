"""What methods minimise besides the cross-entropy, and how weights are averaged."""
