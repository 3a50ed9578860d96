"""The works that the text of the lecture names, and which of them a part of it does."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz.reports.content import Section

LITERATURE = {
    "Adebayo et al. 2018": "J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt and B. Kim, "
    "Sanity checks for saliency maps, NeurIPS 2018.",
    "Bengio, Simard and Frasconi 1994": "Y. Bengio, P. Simard and P. Frasconi, Learning long-term "
    "dependencies with gradient descent is difficult, IEEE Transactions on Neural Networks 5(2), "
    "1994.",
    "Beyer et al. 2020": "L. Beyer, O. J. Hénaff, A. Kolesnikov, X. Zhai and A. van den Oord, Are "
    "we done with ImageNet?, arXiv:2006.07159, 2020.",
    "Erhan et al. 2009": "D. Erhan, Y. Bengio, A. Courville and P. Vincent, Visualizing "
    "higher-layer features of a deep network, technical report 1341, Université de Montréal, 2009.",
    "Glorot and Bengio 2010": "X. Glorot and Y. Bengio, Understanding the difficulty of training "
    "deep feedforward neural networks, AISTATS 2010.",
    "Glorot, Bordes and Bengio 2011": "X. Glorot, A. Bordes and Y. Bengio, Deep sparse rectifier "
    "neural networks, AISTATS 2011.",
    "Goodfellow, Bengio and Courville 2016": "I. Goodfellow, Y. Bengio and A. Courville, Deep "
    "Learning, chapter 9, MIT Press 2016.",
    "Guo et al. 2017": "C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On calibration of modern "
    "neural networks, ICML 2017.",
    "He et al. 2015": "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers: "
    "Surpassing human-level performance on ImageNet classification, ICCV 2015.",
    "He et al. 2016": "K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image "
    "recognition, CVPR 2016.",
    "Howard et al. 2017": "A. G. Howard and others, MobileNets: Efficient convolutional neural "
    "networks for mobile vision applications, arXiv:1704.04861, 2017.",
    "Huang et al. 2017": "G. Huang, Z. Liu, L. van der Maaten and K. Q. Weinberger, Densely "
    "connected convolutional networks, CVPR 2017.",
    "Ioffe and Szegedy 2015": "S. Ioffe and C. Szegedy, Batch normalization: Accelerating deep "
    "network training by reducing internal covariate shift, ICML 2015.",
    "Kornblith et al. 2019": "S. Kornblith, M. Norouzi, H. Lee and G. Hinton, Similarity of neural "
    "network representations revisited, ICML 2019.",
    "Krizhevsky, Sutskever and Hinton 2012": "A. Krizhevsky, I. Sutskever and G. E. Hinton, "
    "ImageNet classification with deep convolutional neural networks, NIPS 2012.",
    "LeCun et al. 1998": "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning "
    "applied to document recognition, Proceedings of the IEEE 86(11), 1998.",
    "Lin, Chen and Yan 2014": "M. Lin, Q. Chen and S. Yan, Network in network, ICLR 2014.",
    "Luo et al. 2016": "W. Luo, Y. Li, R. Urtasun and R. Zemel, Understanding the effective "
    "receptive field in deep convolutional neural networks, NIPS 2016.",
    "Marr and Hildreth 1980": "D. Marr and E. Hildreth, Theory of edge detection, Proceedings of "
    "the Royal Society of London B 207, 1980.",
    "Nie, Zhang and Patel 2018": "W. Nie, Y. Zhang and A. Patel, A theoretical explanation for "
    "perplexing behaviors of backpropagation-based visualizations, ICML 2018.",
    "Olah, Mordvintsev and Schubert 2017": "C. Olah, A. Mordvintsev and L. Schubert, Feature "
    "visualization, Distill 2017.",
    "Petsiuk, Das and Saenko 2018": "V. Petsiuk, A. Das and K. Saenko, RISE: Randomized input "
    "sampling for explanation of black-box models, BMVC 2018.",
    "Robbins and Monro 1951": "H. Robbins and S. Monro, A stochastic approximation method, Annals "
    "of Mathematical Statistics 22(3), 1951.",
    "Rumelhart, Hinton and Williams 1986": "D. E. Rumelhart, G. E. Hinton and R. J. Williams, "
    "Learning representations by back-propagating errors, Nature 323, 1986.",
    "Santurkar et al. 2018": "S. Santurkar, D. Tsipras, A. Ilyas and A. Mądry, How does batch "
    "normalization help optimization?, NeurIPS 2018.",
    "Selvaraju et al. 2017": "R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh and D. "
    "Batra, Grad-CAM: Visual explanations from deep networks via gradient-based localization, ICCV "
    "2017.",
    "Simonyan and Zisserman 2015": "K. Simonyan and A. Zisserman, Very deep convolutional networks "
    "for large-scale image recognition, ICLR 2015.",
    "Springenberg et al. 2015": "J. T. Springenberg, A. Dosovitskiy, T. Brox and M. Riedmiller, "
    "Striving for simplicity: The all convolutional net, ICLR workshop 2015.",
    "Sundararajan, Taly and Yan 2017": "M. Sundararajan, A. Taly and Q. Yan, Axiomatic attribution "
    "for deep networks, ICML 2017.",
    "Szegedy et al. 2015": "C. Szegedy and others, Going deeper with convolutions, CVPR 2015.",
    "Taigman et al. 2014": "Y. Taigman, M. Yang, M. Ranzato and L. Wolf, DeepFace: Closing the gap "
    "to human-level performance in face verification, CVPR 2014.",
    "Yosinski et al. 2014": "J. Yosinski, J. Clune, Y. Bengio and H. Lipson, How transferable are "
    "features in deep neural networks?, NIPS 2014.",
    "Zeiler and Fergus 2013": "M. D. Zeiler and R. Fergus, Visualizing and understanding "
    "convolutional networks, arXiv:1311.2901, 2013; ECCV 2014.",
    "Zhang et al. 2017": "C. Zhang, S. Bengio, M. Hardt, B. Recht and O. Vinyals, Understanding "
    "deep learning requires rethinking generalization, ICLR 2017.",
    "Zhang 2019": "R. Zhang, Making convolutional networks shift-invariant again, ICML 2019.",
    "Zhou et al. 2016": "B. Zhou, A. Khosla, A. Lapedriza, A. Oliva and A. Torralba, Learning deep "
    "features for discriminative localization, CVPR 2016.",
}
"""Each work as the text names it, by first author and year."""


def literature(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return the section with the works that the text of others names; none where it names none."""
    text = " ".join(paragraph for section in sections for paragraph in _paragraphs(section))
    named = [work for key, work in LITERATURE.items() if key in text]
    if not named:
        return ()
    opening = "The works that the text names; what a picture's method comes from is in its caption."
    return (
        Section(key="literature", title="Literature", anchor="literature", lead=(opening, *named)),
    )


def _paragraphs(section: Section) -> tuple[str, ...]:
    told = (text for one in section.pictures for text in (*one.before, *one.after))
    return (*section.lead, *told)
