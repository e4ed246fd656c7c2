/** What the command line of the bench can say. */
import { parseArgs } from 'node:util'
import { type Scale, scales } from './scale.ts'

export interface BenchOptions {
  readonly scale: Scale
  readonly rounds: number
  /** Of row ids. */
  readonly rows: RegExp
  /** Of contestants. */
  readonly contestants: RegExp
  readonly json: string | null
  readonly compare: string | null
  readonly rivals: boolean
  readonly install: boolean
  readonly list: boolean
  /** Where the run keeps its data: a real disk. */
  readonly folder: string | null
  readonly profile: string | null
  readonly verbose: boolean
}

export const usage = `npm run bench -- [options]
  --rows PATTERN   only rows whose id matches, as a regular expression
  --only PATTERN   only contestants whose name matches
  --rounds N       rounds of each row
  --quick          small variants: an idea in seconds, not a result
  --json FILE      write the result
  --compare FILE   show what has changed against an earlier result
  --list           name the rows and end
  --no-rivals      only Stillpoint and the bare servers
  --install        install missing rivals (Debian packages; needs root)
  --dir FOLDER     where data is kept during the run (default .cache, the project's own disk)
  --profile FOLDER CPU profiles of Stillpoint's servers (slows them down)
  --verbose        progress also where stderr is no terminal`

const roundsMax = 100

export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      compare: { type: 'string' },
      list: { type: 'boolean', default: false },
      'no-rivals': { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      dir: { type: 'string' },
      profile: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const scale = scales[values.quick ? 'quick' : 'full']
  const rounds = values.rounds === undefined ? scale.rounds : Number(values.rounds)
  if (!Number.isSafeInteger(rounds) || rounds < 1 || rounds > roundsMax) {
    throw new Error(`--rounds takes a number from 1 to ${roundsMax}`)
  }
  return {
    scale,
    rounds,
    rows: new RegExp(values.rows ?? ''),
    contestants: new RegExp(values.only ?? ''),
    json: values.json ?? null,
    compare: values.compare ?? null,
    rivals: !values['no-rivals'],
    install: values.install,
    list: values.list,
    folder: values.dir ?? null,
    profile: values.profile ?? null,
    verbose: values.verbose,
  }
}
