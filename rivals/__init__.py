"""Distinctive captioners of other papers, rebuilt on gegcore's extension points.

One file each: `stack_cap`, `disc_cap`, `ciderbtw_cap`, `gdis_cap`, `clip_reward`, `dico`; and
`identification`, a reward of our own. No other package imports them: profiles name them
(`config/rivals.yaml`), as they would name anybody's.

Formulas are written out instead of cited by number: the papers were not at hand. Those of Disc-Cap,
CLIP-reward and DiCO were compared with what the authors' published code computes; for CIDErBtw-Cap
and Gdis-Cap there is none, and that of Stack-Cap leaves out its reinforcement learning.
"""
