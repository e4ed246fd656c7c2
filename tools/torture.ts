/**
 * `npm run torture`; see the usage below.
 *
 * Real processes under a mixed load, killed at random moments; with `--power` the file system under them is shut down
 * as a power cut would. Ends with 0 when nothing that was acknowledged was lost, 1 with the command that repeats the
 * run (the load's choices come from the seed; the moments are the machine's), 77 when the machine cannot.
 */
import { parseArgs } from 'node:util'
import { PlainGround, powerProblem, PowerGround } from './torture/ground.ts'
import { Torture } from './torture/run.ts'

const usage = `usage: npm run torture -- [--power]            power cuts instead of SIGKILL (Linux, as root)
       [--cycles N] [--seconds N]              so many deaths (100), so long
       [--seed S]                              of the load
       [--clients N] [--load-ms N]             who loads (8), for how long before each death (1000)
       [--life N] [--check N]                  cycles of one volume (25); every Nth is checked offline (1)
       [--dir DIR]                             where the volumes are`

function refuse(why: string): never {
  console.error(`${why}\n${usage}`)
  process.exit(2)
}

function wishes() {
  const text = { type: 'string' } as const
  const seed = { ...text, default: String(Date.now() % 2 ** 31) }
  const count = (of: number) => ({ ...text, default: String(of) })
  try {
    return parseArgs({
      options: {
        cycles: count(100),
        seconds: text,
        seed,
        power: { type: 'boolean', default: false },
        clients: count(8),
        'load-ms': count(1000),
        life: count(25),
        check: count(1),
        dir: text,
      },
    }).values
  } catch (error) {
    return refuse(asError(error).message)
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

const values = wishes()

const whole = (name: 'cycles' | 'seconds' | 'seed' | 'clients' | 'load-ms' | 'life' | 'check'): number => {
  const value = Number(values[name] ?? Infinity)
  if (Number.isSafeInteger(value) && value >= 0) return value
  if (values[name] === undefined) return Infinity
  return refuse(`--${name} is not a whole number: ${values[name]}`)
}

const problem = values.power ? await powerProblem() : null
if (problem !== null) {
  console.log(`skipped: power cuts: ${problem}`)
  process.exit(77)
}

const ground = values.power ? new PowerGround(values.dir) : new PlainGround(values.dir)
const seed = whole('seed')
const cycles = whole('cycles')
const deadline = performance.now() + whole('seconds') * 1000
const began = performance.now()
const torture = new Torture(
  {
    seed,
    clients: whole('clients'),
    loadMsMax: whole('load-ms'),
    cyclesPerLife: whole('life'),
    checkEvery: whole('check'),
  },
  ground,
)

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    console.log(`${name}: ending`)
    interrupted.abort()
  })

let failure: Error | null = null
try {
  for (let i = 0; i < cycles && performance.now() < deadline && !interrupted.signal.aborted; i++) {
    await torture.cycle()
    if (torture.totals.cycles % 100 === 0)
      console.log(
        `${torture.totals.cycles} of ${cycles}, ${((performance.now() - began) / 60_000).toFixed(1)} minutes`,
      )
  }
  await torture.endLife()
} catch (error) {
  failure = asError(error)
}
try {
  await torture.close()
} catch (error) {
  failure ??= asError(error)
}

const seconds = (performance.now() - began) / 1000
const { totals } = torture
const commit = Bun.spawnSync(['git', 'rev-parse', '--short', 'HEAD'], { stderr: 'ignore' })
  .stdout.toString()
  .trim()
const what = values.power ? 'power cuts' : 'kills'
console.log(
  `${totals.cycles} ${what} in ${seconds.toFixed(0)} s (${((totals.cycles * 60) / seconds).toFixed(0)} a minute), ` +
    `seed ${seed}, commit ${commit}: ${JSON.stringify(totals)}`,
)
if (failure !== null) {
  console.log(`violation: ${failure.message}`)
  const flags = [
    values.power ? ' --power' : '',
    ` --clients ${whole('clients')}`,
    ` --load-ms ${whole('load-ms')}`,
  ]
  console.log(`to repeat: npm run torture -- --seed ${seed} --cycles ${totals.cycles}${flags.join('')}`)
  process.exit(1)
}
console.log('nothing acknowledged was lost')
