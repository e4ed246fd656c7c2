/** Variables of the environment that are read, and those that are misspelled. */
import { environmentName, serverOptions } from '../../server/configuration/server-options.ts'

export const variables = {
  STILLPOINT_URL: 'Server that commands talk to',
  STILLPOINT_TOKEN_FILE: 'File with the token that commands show',
  STILLPOINT_TOKEN: 'The token itself',
  STILLPOINT_CA: 'Certificate in PEM that vouches for the server',
  STILLPOINT_CONFIG: 'TOML file with options of a server',
  'STILLPOINT_…': 'Each option of a server: see stillpoint help serve',
} as const

/** Read by tests and tools of the project. */
const others = ['STILLPOINT_SEED']

/** Names that begin like ours and mean nothing: a typing error that would leave a default in force in silence. */
export function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set<string>([
    ...Object.keys(variables),
    ...serverOptions.map(({ name }) => environmentName(name)),
    ...others,
  ])
  return Object.keys(environment).filter((name) => /^STILLPOINT_/i.test(name) && !known.has(name))
}
