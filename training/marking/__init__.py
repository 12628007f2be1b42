"""Damage marked by eye: annotations as text, and the masks that are drawn from them.

    python -m training.marking draw                      # all annotations -> runs/marks/<set>/<name>.png
    python -m training.marking draw old_real/1880Paris   # one, to see whether it fits
    python -m training.marking crop PICTURE X Y WIDTH HEIGHT --zoom 5 --mask MASK OUT.png
    python -m training.marking trace FOUND X,Y ...       # spots of a detector's mask as lines of an annotation

Look at crops of about 160x160 px enlarged five times, write down what you see in
`training/annotations/<set>/<name>.txt`, draw, look at the mask over the picture, correct until it fits within a pixel.
`grammar` has the words of an annotation. Damage is what was laid on or lost from the print, not what the picture shows,
not grain, not the printed border. Mark what is unsure as such: it is ignored.
"""
