/** Limits of what a client says of an entry. The doors refuse what exceeds them, and the format counts on them. */
export const nameBytesMax = 255
export const contentTypeBytesMax = 255
export const metaNameBytesMax = 64
/** Names and values together. */
export const metaBytesMax = 2048
/** What Linux takes for the target of a symbolic link, so that a copied tree can be put back. */
export const linkTargetBytesMax = 4095
