"""Other people's distinctive captioners, rebuilt from their papers on gegcore's extension points.

One file each: `stack_cap`, `disc_cap`, `ciderbtw_cap`, `gdis_cap`, `clip_reward`, `dico`; and
`identification`, the reward of our own. Nothing here is imported by another package: profiles name
it (`config/standard.yaml`), as they would name anybody's.
"""
