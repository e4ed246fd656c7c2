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
  /** Measure dist/stillpoint, built first, instead of the sources. */
  readonly isBinary: boolean
  /** Rows that have not begun by then are reported as failed. */
  readonly minutesMax: number
}

export const usage = `npm run bench -- [options]
  --rows PATTERN   only rows whose id matches, as a regular expression
  --only PATTERN   only contestants whose name matches
  --rounds N       rounds of each row
  --minutes N      begin no row after so many minutes (default 60)
  --files N        files of the largest volume that growth is measured on
  --upload-gib N   size of the upload whose memory is measured
  --quick          small variants: an idea in seconds, not a result
  --json FILE      write the result
  --compare FILE   show what has changed against an earlier result
  --list           name the rows and end
  --no-rivals      only Stillpoint and the bare servers
  --binary         build dist/stillpoint and measure that; the sources otherwise
  --install        install missing rivals (Debian packages; needs root)
  --dir FOLDER     where data is kept during the run (default .cache, the project's own disk)
  --profile FOLDER CPU profiles of Stillpoint's servers (slows them down)
  --verbose        progress also where stderr is no terminal`

const roundsMax = 100
const minutesMax = 24 * 60
const filesMax = 100_000_000
const uploadGibMax = 1024

export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      minutes: { type: 'string', default: '60' },
      files: { type: 'string' },
      'upload-gib': { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      compare: { type: 'string' },
      list: { type: 'boolean', default: false },
      'no-rivals': { type: 'boolean', default: false },
      binary: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      dir: { type: 'string' },
      profile: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  let scale = scales[values.quick ? 'quick' : 'full']
  const number = (name: 'rounds' | 'minutes' | 'files' | 'upload-gib', max: number): number => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value
    throw new Error(`--${name} takes a number from 1 to ${max}`)
  }
  const rounds = values.rounds === undefined ? scale.rounds : number('rounds', roundsMax)
  if (values.files !== undefined) {
    const most = number('files', filesMax)
    scale = { ...scale, growthFiles: [...scale.growthFiles.filter((files) => files < most), most] }
  }
  if (values['upload-gib'] !== undefined)
    scale = { ...scale, uploadBytes: number('upload-gib', uploadGibMax) * 2 ** 30 }
  if (values.binary && values.profile !== undefined) throw new Error('--profile measures the sources')
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
    isBinary: values.binary,
    minutesMax: number('minutes', minutesMax),
  }
}
