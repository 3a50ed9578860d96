"""Sentences that the scripts of the page say, with numbers for what is put into them."""

from __future__ import annotations

SENTENCES = {
    "local": "The address {0}. It leads to a file on this machine: send that file too. "
    "What follows # shows the same in any copy of the page.",
    "public": "The address {0}.",
    "not held": "{0}. It cannot be chosen: the page holds no maps of it; cnnviz explore --layers "
    "NAME makes one that does.",
    "lost": "The channels that were opened or muted belong to {0}; they are closed and unmuted.",
    "forgotten": "Four places are kept: the oldest was forgotten, and the letters moved on by one.",
    "no channel": "There is no channel {0}: {2} has channels 0 to {1}.",
    "no share": "The page holds no answer of this class with what is muted.",
    "map here": " The map of {0} is {1} here, {2} of its largest value.",
    "for one": "what is evidence for {0} rather than {1} (red), or the other way (blue)",
    "found": "where the network found {0}",
    "responds": "Where channel {0} responds, and how strongly",
    "responded": "Where channel {0} responded before it was muted",
    "signed": "what is evidence for {0} (red) and against it (blue)",
    "place": "Place {0}: row {1} of 0 to {2}, column {3} of 0 to {4}.",
    "photo alone": "The photo alone, without the map of {0}.",
    "activation": "Its activation follows.",
    "no class": "No class of this network has “{0}” in its name.",
    "foreign": "This network has no class “{0}”: it is asked about {1}. ",
    "not made here": "Channel {0} of {1} does not come from this convolution, which gives its "
    "channels {2} to {3}.",
    "same channel": "Channel {0} of {1} is channel {2} here.",
    "no kernel": "Channel {0} of {1} is channel {2} here, whose kernel the page does not hold; "
    "another one is shown.",
    "kernels held": "The page holds {0} of its {1} channels, those with the largest values in this "
    "photo.",
    "others together": "above the {0} of {1} input channels with the largest sums; the others "
    "together: {2}",
    "normalised": "after batch normalisation (times {0}, plus {1}): {2}",
    "rounded": "The numbers that it reads are rounded to 256 levels for each channel: no sum in "
    "this photo is off by more than {0}{1}.",
    "exact": "A mean over the places and a linear layer follow this layer, so the answer is exact "
    "for any choice of channels.{0}",
    "others": " Listed are those that add most, for or against, to {0}; any other can be muted "
    "where it is opened.",
    "each alone": "More than a mean and a linear layer follows this layer, so the page cannot work "
    "out the answer for any choice. The network computed it without {0} when the page was made. "
    "One at a time: muting another unmutes the first.{1}",
    "which": " They are those that add most, for or against, to the Grad-CAM map of {0}, whichever "
    "class is shown.",
    "no answers": "For this layer no answers were computed.",
    "no answer": "The answer with these channels muted or scaled was not computed; the bars are "
    "those without muting.",
    "some answers": "{0}; of the other classes the page knows this only of those with a number",
    "not found": "The answer to this choice was not computed: mute one of the channels of the list "
    "alone.",
    "no map": "The page holds no map of {0} at {1}: at this layer it has those of {2} classes, "
    "which a search lists first.",
    "lead": "The score of {0} is {1}, that of {2} {3}: {0} is {4} by {5}.",
    "with muted": "With what is muted, {0} has {1} and {2} {3}.",
    "channel": "Its activation is {0} at most, at row {1}, column {2}; on average {3}; above zero "
    "at {4} of {5} places. The photo above shows its map.",
    "adds exact": "“Adds”: activation times weight, in units of the score, at this place. Summed "
    "over all places and channels, with the bias, it is the score of {0}.",
    "adds guessed": "“Adds”: activation times the mean gradient of the score of {0}, at this "
    "place; an estimate, as Grad-CAM makes it.",
    "adds": " “Without it”: the probability with the channel muted in the whole photo. "
    "An underlined activation leads to the convolution that computes it.",
}
