/** How far a mirror is, as its primary knows and as it measures by itself, while it catches up. */
import { expect, test } from 'bun:test'
import { blockBytes } from '../../src/format/geometry.ts'
import { membersMetrics } from '../../src/server/metrics/mirror-metrics.ts'
import { EngineVolume } from '../../src/cp-engine/primary-volume.ts'
import { Workload } from '../cp-engine/workload.ts'
import { fairWeather } from './simulated-network.ts'
import { Pair } from './pair.ts'

async function followed() {
  const pair = await Pair.create({ seed: 4 })
  const workload = new Workload(4)
  const take = async (steps: number) => {
    for (let i = 0; i < steps; i++) await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
  }
  await take(5)
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()
  return { pair, take, workload }
}

const nothing = { lagCps: 0, lagMs: 0, bytes: 0, operations: 0 }

test('a mirror measures what it lacks of what it has heard of', async () => {
  const { pair, take } = await followed()
  await pair.clock.advance(100)
  expect(pair.applier.ownLag()).toEqual(nothing)
  // While nothing is heard, nothing is known.
  const { mirror } = pair.network
  pair.network.attach(null)
  await take(30)
  await take(30)
  await pair.clock.advance(2000)
  expect(pair.applier.ownLag()).toEqual(nothing)
  pair.network.weather = { ...fairWeather, latencyMs: 20 }
  pair.network.attach(mirror)
  const most = { ...nothing }
  const receive = pair.applier.receive.bind(pair.applier)
  pair.applier.receive = async (frame) => {
    await receive(frame)
    const now = pair.applier.ownLag()
    for (const key of Object.keys(most) as (keyof typeof most)[]) most[key] = Math.max(most[key], now[key])
  }
  const isThere = await pair.clock.until(() => pair.isEqual, 20_000)
  expect(isThere).toBeTrue()
  expect(most.lagCps).toBe(2)
  expect(most.lagMs).toBeGreaterThanOrEqual(20)
  expect(most.bytes).toBeGreaterThan(10 * blockBytes)
  expect(most.operations).toBeGreaterThan(20)
  expect(pair.applier.ownLag()).toEqual(nothing)
  pair.mirrors.close()
})

test('a primary counts what each mirror lacks', async () => {
  const { pair, take, workload } = await followed()
  const { engine } = pair
  const primary = new EngineVolume(engine)
  const lag = () =>
    Object.fromEntries(
      membersMetrics(pair.mirrors.standings(), {
        source: engine,
        primary,
        sequence: engine.sequence,
      }).flatMap((metric) =>
        metric.kind === 'gauge' && /lag/.test(metric.name) ? [[metric.name, metric.samples[0]!.value]] : [],
      ),
    )
  await pair.clock.advance(200)
  expect(lag()).toEqual({
    stillpoint_mirror_lag_cps: 0,
    stillpoint_mirror_lag_seconds: 0,
    stillpoint_mirror_lag_bytes: 0,
    stillpoint_mirror_lag_writes: 0,
  })
  pair.network.attach(null)
  await take(20)
  const base = engine.sequence()
  await pair.clock.advance(3000)
  const before = lag()
  expect(before['stillpoint_mirror_lag_cps']).toBe(1)
  expect(before['stillpoint_mirror_lag_seconds']).toBe(3)
  expect(before['stillpoint_mirror_lag_bytes']).toBeGreaterThan(10 * blockBytes)
  for (let i = 0; i < 5; i++) await workload.step(engine)
  // Those of the open consistency point are acknowledged, too; their blocks belong to none yet.
  expect(lag()['stillpoint_mirror_lag_writes']! - before['stillpoint_mirror_lag_writes']!).toBe(
    engine.sequence() - base,
  )
  expect(lag()['stillpoint_mirror_lag_bytes']).toBe(before['stillpoint_mirror_lag_bytes'])
  pair.mirrors.close()
})
