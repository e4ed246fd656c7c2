/** Parts that an operator may accept to lose, so that a damaged volume can be opened. */
export const losses = ['superblock', 'log', 'history', 'epoch'] as const
export type Loss = (typeof losses)[number]
