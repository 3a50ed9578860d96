"""What a lecture on convolutional networks draws, computed: no pictures and no results."""
