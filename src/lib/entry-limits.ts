/**
 * Limits for what a client says about an entry. The routes refuse larger values, and the format counts on the limits.
 */
export const nameBytesMax = 255
export const contentTypeBytesMax = 255
export const metaNameBytesMax = 64
/** Limit for the names and values of one entry together. */
export const metaBytesMax = 2048
/** Linux accepts targets of symbolic links up to this length, so a copied tree can be put back. */
export const linkTargetBytesMax = 4095
