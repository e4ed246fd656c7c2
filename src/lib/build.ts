/** Says which program this is. */
import packageJson from '../../package.json' with { type: 'json' }

/** The build puts the commit of the source in this place; a program that runs from its source has none. */
declare const STILLPOINT_COMMIT: string | undefined

export const build = {
  version: packageJson.version,
  commit: typeof STILLPOINT_COMMIT === 'string' ? STILLPOINT_COMMIT : null,
} as const
