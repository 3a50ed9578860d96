"""What single channels look for."""

from __future__ import annotations

from cnnviz.lectures.chapter import Chapter, Step

CHAPTER = Chapter(
    key="units",
    title="What units see",
    opening=(
        "A channel of a deep layer has no kernel that can be read as a picture. There are three "
        "ways to ask what it responds to: send its activation on this photo back to the pixels, "
        "look for the patches of many images that excite it most, or make the picture that "
        "excites it most. Each misleads in its own way, so that they are read side by side.",
    ),
    steps=(
        Step(
            name="projections",
            title="What of this photo made units of the last stage respond",
            call="cnnviz.deconvnet(model, photo, stages[-1])",
            command="cnnviz deconvnet {photo} {model} --layer {last}",
            before=(
                "A deconvnet runs the layers backwards: it puts the activation where it came "
                "from, undoes pooling by the switches of the forward pass, and convolves with the "
                "transposed kernels (Zeiler and Fergus 2013). How sharp the result is says little: "
                "the switches and the rectifiers bring the outlines of the photo back whatever "
                "the channel has learned (Nie, Zhang and Patel 2018).",
            ),
        ),
        Step(
            name="strongest",
            title="The patches that excite channels most",
            call="cnnviz.top_activations(model, data, stages[-1], top=6, count=200)",
            command="cnnviz top-activations {data} {model} --layer {last} --top 6 --count 200",
            before=(
                "What the nine strongest patches have in common suggests what a channel is for. It "
                "does not say what else the channel responds to a little less strongly, and many "
                "respond to several things that have nothing to do with one another.",
            ),
        ),
        Step(
            name="visualizations",
            title="The pictures that excite channels most",
            call=(
                "cnnviz.feature_visualization("
                'model, [f"{stages[-1]}:{c}" for c in strongest.shown[:3]], steps=128)'
            ),
            command="cnnviz visualize {model} --units {units} --steps 128",
            spelled={"units": '",".join(f"{stages[-1]}:{c}" for c in strongest.shown[:3])'},
            before=(
                "Begin with noise, and change every pixel a little in the direction that raises "
                "the channel's activation, many times over (Erhan et al. 2009; Olah, Mordvintsev "
                "and Schubert 2017). What comes out mostly excites the channel more than photos "
                "do, and need not look like one: it depends on what one does to keep it smooth.",
            ),
        ),
    ),
)
