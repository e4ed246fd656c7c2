/**
 * One life of a pair of volumes after the other: clients load them, somebody dies, and what is left is compared with
 * the client-side log.
 *
 * After a death of the primary: it opens; every client's directory is a state that its log allows; the order of all
 * operations has no hole; the CP is not below what was acknowledged `committed`.
 * After a death of the mirror: its CP is not below what it showed or what was acknowledged `mirrored`.
 * At the end of a life the primary's volume is thrown away: the mirror has everything that was acknowledged `mirrored`,
 * and shows exactly one CP.
 */
import { rmSync } from 'node:fs'
import { checkFolder } from '../../src/server/check-folder.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { queryCatalog } from '../live/command.ts'
import { ServerProcess } from '../live/server-process.ts'
import { Client, type Urls } from './client.ts'
import { readTree } from './door.ts'
import { type Dice, Generator, type Level } from './generator.ts'
import { History, Ticks, Violation } from './history.ts'
import type { Ground } from './ground.ts'

export interface TortureOptions {
  readonly seed: number
  readonly clients: number
  /** Longest load before somebody dies. */
  readonly loadMsMax: number
  /** Deaths from which a fresh pair of volumes begins. */
  readonly cyclesPerLife: number
  /** Both volumes are checked every so many deaths. */
  readonly checkEvery: number
}

export interface Totals {
  cycles: number
  primaryDeaths: number
  mirrorDeaths: number
  /** Of a server that had not come back yet. */
  deathsInRecovery: number
  lives: number
  checks: number
  requests: number
  mirrorReads: number
  unanswered: number
  readonly acknowledged: Record<Level, number>
}

const weights: Readonly<Record<Level, number>> = { buffered: 35, logged: 40, committed: 15, mirrored: 10 }
const mirrorMsMax = 30_000

/** What a life is like: from small and always full to roomy, from one CP after the other to rare ones. */
function flagsOf(dice: Dice): string[] {
  const one = (values: readonly string[]): string => values[dice.below(values.length)]!
  const choices = {
    'volume-bytes-max': one(['256MiB', '1GiB', '1TiB']),
    // An operation takes at most half of the log.
    'log-bytes': one(['4MiB', '32MiB']),
    'queue-bytes-max': one(['4MiB', '16MiB', '32MiB']),
    'node-cache-bytes-max': one(['4MiB', '32MiB']),
    'cp-interval-ms': one(['20', '200', '1000']),
    'record-checksum': one(['xxh3', 'sha256']),
    'record-encoding': one(['raw', 'zstd']),
  }
  return Object.entries(choices).flatMap(([name, value]) => [`--${name}`, value])
}

export class Torture {
  readonly totals: Totals = {
    cycles: 0,
    primaryDeaths: 0,
    mirrorDeaths: 0,
    deathsInRecovery: 0,
    lives: 0,
    checks: 0,
    requests: 0,
    mirrorReads: 0,
    unanswered: 0,
    acknowledged: { buffered: 0, logged: 0, committed: 0, mirrored: 0 },
  }
  private readonly dice: Dice
  private life: Life | null = null

  constructor(
    private readonly options: TortureOptions,
    private readonly ground: Ground,
  ) {
    this.dice = seededRandom(options.seed)
  }

  /** One death and its consequences. */
  async cycle(): Promise<void> {
    const { dice, options, totals } = this
    this.life ??= await Life.begin(this.ground, options, dice.below(2 ** 31))
    const { life } = this
    try {
      const choice = dice.below(100)
      const dies = { primary: choice < 75, mirror: choice >= 60 }
      await life.load(1 + dice.below(dice.below(3) === 0 ? 100 : options.loadMsMax))
      totals.cycles++
      if (dies.primary) totals.primaryDeaths++
      if (dies.mirror) totals.mirrorDeaths++
      const checks = totals.cycles % options.checkEvery === 0
      if (checks) totals.checks++
      await life.death(dies, checks)
      if (++life.deaths >= options.cyclesPerLife) await this.endLife()
    } catch (error) {
      throw new Error(`cycle ${totals.cycles}, life ${totals.lives + 1}: ${String(error)}\n${life.logs()}`, {
        cause: error,
      })
    }
  }

  /** The primary's volume is thrown away, and the mirror is read. */
  async endLife(): Promise<void> {
    const { life } = this
    if (!life) return
    await life.loseThePrimary()
    this.count(life)
    this.totals.lives++
    this.life = null
    await life.end()
  }

  async close(): Promise<void> {
    const { life } = this
    this.life = null
    if (life) {
      this.count(life)
      await life.end()
    }
  }

  private count(life: Life): void {
    const { totals } = this
    totals.unanswered += life.unanswered
    totals.deathsInRecovery += life.deathsInRecovery
    for (const { history, requests, mirrorReads } of life.clients) {
      totals.requests += requests
      totals.mirrorReads += mirrorReads
      for (const [level, count] of Object.entries(history.acknowledged))
        totals.acknowledged[level as Level] += count
    }
  }
}

class Life {
  deaths = 0
  deathsInRecovery = 0
  unanswered = 0
  /** What was done, for whoever has to explain a violation. */
  private readonly events: string[] = []
  private mirrorCp = 0
  /** The primary is dying or dead. */
  private isStriking = false
  private failure: Error | null = null

  private constructor(
    private readonly ground: Ground,
    private readonly dice: Dice,
    private readonly primary: ServerProcess,
    private readonly mirror: ServerProcess,
    readonly clients: readonly Client[],
  ) {}

  static async begin(ground: Ground, options: TortureOptions, seed: number): Promise<Life> {
    await ground.make()
    const lifeDice = seededRandom(seed)
    const flags = flagsOf(lifeDice)
    const mirror = new ServerProcess({ verb: 'mirror', ...ground.mirror })
    await mirror.start()
    const primary = new ServerProcess({ verb: 'serve', ...ground.primary, mirrors: [mirror.url], flags })
    await primary.start()
    const ticks = new Ticks()
    const urls = (): Urls => ({ primary: primary.url, mirror: mirror.url })
    const clients: Client[] = []
    const life = new Life(ground, lifeDice, primary, mirror, clients)
    life.note(flags.join(' '))
    for (let i = 0; i < options.clients; i++) {
      const dice = seededRandom(seed + 1 + i)
      const failed = (error: unknown): void => {
        life.failure ??= error instanceof Error ? error : new Error(String(error))
      }
      const cut = (reason: string): void => {
        if (!life.isStriking) failed(new Violation(`c${i}: a request to a living primary: ${reason}`))
      }
      const history = new History(`c${i}`, ticks)
      clients.push(new Client(history, new Generator(dice, weights), dice, urls, failed, cut))
    }
    return life
  }

  logs(): string {
    return `--- events\n${[this.events[0], ...this.events.slice(1).slice(-40)].join('\n')}\n--- primary\n${this.primary.log}\n--- mirror\n${this.mirror.log}`
  }

  async load(ms: number): Promise<void> {
    this.note(`load for ${ms} ms`)
    for (const client of this.clients) client.start()
    const until = performance.now() + ms
    while (performance.now() < until && this.failure === null) {
      await Bun.sleep(Math.min(20, until - performance.now()))
      for (const [name, server] of [
        ['primary', this.primary],
        ['mirror', this.mirror],
      ] as const)
        if (!server.isRunning)
          throw new Violation(`the ${name} ended by itself: ${JSON.stringify(await server.ended())}`)
    }
    this.throwFailure()
  }

  async death(dies: { readonly primary: boolean; readonly mirror: boolean }, checks: boolean): Promise<void> {
    const { ground, primary, mirror, clients } = this
    this.note(`end of ${dies.primary ? 'primary ' : ''}${dies.mirror ? 'mirror' : ''}`)
    const victims = [...(dies.primary ? [primary] : []), ...(dies.mirror ? [mirror] : [])]
    this.isStriking = dies.primary
    await ground.strike(victims, () => {
      // A cut primary may have said things that a client has not read: those do not count.
      if (dies.primary) for (const client of clients) client.stopBelieving()
    })
    if (dies.primary) await Promise.all(clients.map((client) => client.stopped()))
    this.throwFailure()
    if (checks) for (const victim of victims) await expectSound(victim.data)
    if (dies.mirror) await this.restartMirror()
    if (dies.primary) await this.restartPrimary()
    else await Promise.all(clients.map((client) => client.stopped()))
    this.isStriking = false
    this.throwFailure()
    if (this.deaths % 4 === 3) await this.expectMirrorFollows()
  }

  /** Now and then it dies again before it serves, once or several times. */
  private async dieInRecovery(server: ServerProcess): Promise<void> {
    while (this.dice.below(4) === 0) {
      const ms = 40 + this.dice.below(260)
      await server.startAndDie(ms, () => this.ground.strike([server], () => undefined))
      this.deathsInRecovery++
      this.note(`${server === this.primary ? 'primary' : 'mirror'} dies after ${ms} ms of opening`)
    }
  }

  private async restartMirror(): Promise<void> {
    const { mirror } = this
    const promised = Math.max(this.mirrorCp, ...this.clients.map(({ history }) => history.mirroredCp))
    await this.dieInRecovery(mirror)
    await mirror.start()
    this.note(`mirror opens with CP ${mirror.cp}`)
    if (mirror.cp < promised)
      throw new Violation(`the mirror came back with CP ${mirror.cp}; ${promised} was promised`)
  }

  private async restartPrimary(): Promise<void> {
    const { primary, clients } = this
    const promised = Math.max(...clients.map(({ history }) => history.committedCp))
    const before = primary.cp
    await this.dieInRecovery(primary)
    await primary.start()
    this.note(`primary opens with CP ${primary.cp}`)
    if (primary.cp < promised || primary.cp < before)
      throw new Violation(
        `the primary came back with CP ${primary.cp}; ${promised} was promised, it had ${before}`,
      )
    const durableStart = Math.max(...clients.map(({ history }) => history.durableStart()))
    const matches = await Promise.all(
      clients.map(async ({ history }) => {
        const { tree } = await readTree(primary.url, history.folder)
        return { history, ...history.match(tree, durableStart) }
      }),
    )
    const visible = Math.max(...matches.map(({ history, least }) => history.startTickOf(least)))
    for (const { history, most } of matches) {
      const needed = history.acknowledgedBefore(visible)
      if (most < needed)
        throw new Violation(
          `${history.folder}: operation ${most + 1} is lost, and one that began after its acknowledgement is there`,
        )
    }
    for (const { history, most } of matches) {
      this.unanswered += history.unanswered
      history.survive(most, primary.cp)
    }
  }

  /** Without a load the mirror reaches the primary's CP, and shows what it shows. */
  private async expectMirrorFollows(): Promise<void> {
    const { primary, mirror, clients } = this
    const taken = await fetch(`${primary.url}/v1/cps`, { method: 'POST' })
    const { cp } = (await taken.json()) as { cp: number }
    const deadline = performance.now() + mirrorMsMax
    for (;;) {
      const answer = await fetch(`${mirror.url}/v1/stat?minCp=${cp}&wait=5`)
      await answer.text()
      if (answer.ok) break
      if (performance.now() > deadline)
        throw new Violation(
          `the mirror has not reached CP ${cp} within ${mirrorMsMax} ms: ${await this.mirrorState()}`,
        )
    }
    this.mirrorCp = Math.max(this.mirrorCp, cp)
    this.note(`mirror has CP ${cp}`)
    for (const { history } of clients) {
      const { tree, cp: shown } = await readTree(mirror.url, history.folder)
      history.expectAt(shown ?? cp, tree, 'the mirror')
      history.forget(cp)
    }
  }

  async loseThePrimary(): Promise<void> {
    const { primary, mirror, clients } = this
    await this.load(200)
    this.isStriking = true
    await primary.kill()
    await Promise.all(clients.map((client) => client.stopped()))
    this.throwFailure()
    await this.expectOneCopy()
    rmSync(primary.data, { recursive: true, force: true })
    await mirror.kill()
    await expectSound(mirror.data)
    await this.restartMirror()
    for (const { history } of clients) {
      const { tree } = await readTree(mirror.url, history.folder)
      history.expectAt(mirror.cp, tree, 'the mirror that was left')
    }
  }

  /** Whatever died: after the first copy only what changed has travelled. */
  private async expectOneCopy(): Promise<void> {
    const query = "select count(*) as copies from transfers where kind = 'first-copy'"
    const [row] = await queryCatalog(this.primary.data, query)
    if (Number(row?.['copies']) > 1)
      throw new Violation(`the mirror was copied ${String(row?.['copies'])} times`)
  }

  async end(): Promise<void> {
    this.isStriking = true
    await Promise.all([this.primary.kill(), this.mirror.kill()])
    await Promise.all(this.clients.map((client) => client.stopped()))
    await this.ground.clear()
  }

  private async mirrorState(): Promise<string> {
    const answers = [`${this.primary.url}/v1/mirrors`, `${this.mirror.url}/v1/mirror`].map(async (url) =>
      (await fetch(url)).text(),
    )
    return (await Promise.all(answers)).join(' ')
  }

  private note(what: string): void {
    this.events.push(`${new Date().toISOString()} ${what}`)
  }

  private throwFailure(): void {
    if (this.failure !== null) throw this.failure
  }
}

async function expectSound(data: string): Promise<void> {
  const { findings } = await checkFolder(data)
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Violation(`check of ${data}: ${JSON.stringify(errors.slice(0, 5))}`)
}
