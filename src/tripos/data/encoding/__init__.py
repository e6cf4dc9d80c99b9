"""The stages of `tripos.Encoder`, one file each: read a column in the form its kind asks for (`table`),
then `dates`, `categories`, `target_statistics`, `text` make numbers of it, `missing` fills gaps, and
`scaling` or `binning` bring the numbers to the learner's range."""
