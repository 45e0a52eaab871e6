"""What a switch holds of VLANs, what it should hold, and the edit between the two: values, and nobody is asked."""
