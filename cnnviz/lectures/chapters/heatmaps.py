"""Where the network looked, by three ways that need not agree."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="heatmaps",
    title="Where it looked",
    opening=(
        "Why did the network say that? The maps of the last stage still know where things are. "
        "Weight each by how much the answer depends on it, add them up, and lay the sum over the "
        "photo. Three ways to do so follow. They ask different questions and need not agree, and "
        "all of them say where, not why: a map that is bright on the grass under a cow does not "
        "say what about the grass.",
    ),
    steps=(
        Step(
            name="gradcam",
            title="Grad-CAM",
            call="cnnviz.cam(capture)",
            command="cnnviz cam {photo} {model}",
            before=(
                "Grad-CAM takes as weight the gradient of the class's score, averaged over the "
                "map, and drops the evidence against the class (Selvaraju et al. 2017). It is as "
                "coarse as the maps are: that it lies smoothly over the photo comes of the "
                "stretching.",
            ),
        ),
        Step(
            name="box",
            title="From the heatmap to a box",
            call="cnnviz.localisation(capture)",
            command="cnnviz localisation {photo} {model}",
            before=(
                "A network that was only ever told what is in a photo can say where it is: take "
                "the largest piece of the heatmap above a fifth of its maximum (Zhou et al. 2016). "
                "It marks what tells the class from others, often a part of the object only.",
            ),
        ),
        Step(
            name="occlusion",
            title="Occlusion",
            call="cnnviz.occlusion(model, photo)",
            command="cnnviz occlude {photo} {model}",
            before=(
                "Another way asks nothing of the network's insides: hide a part of the photo and "
                "see what the score loses (Zeiler and Fergus 2013). What is told twice in a photo "
                "goes unmarked, for either part can be hidden without a loss; and a grey square is "
                "something that the network has never seen.",
            ),
        ),
        Step(
            name="integrated_gradients",
            title="Integrated gradients",
            call="cnnviz.attribute(model, photo)",
            command="cnnviz attribute {photo} {model}",
            before=(
                "A third gives every pixel its share of the difference between the score of the "
                "photo and that of a blurred one: it adds the gradient up along the way from one "
                "to the other, and the shares add up to the difference (Sundararajan, Taly and Yan "
                "2017). From another starting point than the blur the shares are others.",
            ),
        ),
    ),
)
