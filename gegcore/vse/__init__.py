"""VSE++ of the embedded world: a judge of another family than CLIP."""
