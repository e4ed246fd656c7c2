/** A primary and mirrors over real sockets on loopback, in one process. */
import { afterEach } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { BlockDevice } from '../../../src/blockdev/block-device.ts'
import { createMirror } from '../../../src/cp-engine/create-volume.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { Volume } from '../../../src/cp-engine/volume/volume.ts'
import { MirrorApplier } from '../../../src/replica/mirror/mirror-applier.ts'
import { Mirrors } from '../../../src/replica/primary/mirrors.ts'
import type { StoredKeys } from '../../../src/replica/link/peer-keys.ts'
import { Workload, newPrimary, open, smallGeometry } from '../../cp-engine/workload.ts'
import { cacheLimit, mirrorLimit } from '../../engine-limits.ts'
import { mirrorEnd, primaryEnd } from './peers.ts'

export const sharedSecret = 'a secret of the two'

/** PEM of certificate and key, and what proofs cover of the certificate. */
export interface Tls {
  readonly cert: string
  readonly key: string
  readonly binding: Uint8Array
}

interface MirrorOptions {
  readonly secret?: string | null
  readonly stored?: StoredKeys
  readonly port?: number
  readonly tls?: Tls
}

interface PrimaryOptions {
  readonly secret?: string | null
  readonly stored?: StoredKeys
}

export function httpPair() {
  const ends: (() => Promise<unknown> | void)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  async function startMirror(
    device: BlockDevice,
    { secret = sharedSecret, stored, port = 0, tls }: MirrorOptions = {},
  ) {
    const volume = await Volume.open(device, { clock: systemClock, ...cacheLimit })
    const applier = new MirrorApplier(volume, { ...mirrorLimit, clock: systemClock, random: systemRandom })
    const side = formatUuid(volume.superblock.sideUuid)
    const { fetchOf, sessions } = mirrorEnd({
      side,
      secret,
      ...(stored ? { stored } : {}),
      certificates: tls ? [tls.binding] : [],
    })
    const replicaFetch = fetchOf(applier)
    const server = Bun.serve({
      port,
      hostname: '127.0.0.1',
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      fetch: async (request) => (await replicaFetch(request)) ?? new Response('another', { status: 404 }),
    })
    const stop = () => server.stop(true)
    ends.push(stop)
    return {
      device,
      volume,
      applier,
      sessions,
      side,
      url: `${tls ? 'https' : 'http'}://127.0.0.1:${server.port}`,
      stop,
    }
  }

  async function newMirror(options: MirrorOptions & { readonly seed?: number } = {}) {
    const device = new MemoryDevice()
    const random = seededRandom(options.seed ?? 5)
    await createMirror(device, { clock: systemClock, random, geometry: smallGeometry(32) })
    return startMirror(device, options)
  }

  async function newPrimaryEnd({ secret = sharedSecret, stored }: PrimaryOptions = {}) {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 32)
    const engine = await open(device, 2, { clock: systemClock, cpIntervalMs: 1e9 })
    const primary = new EngineVolume(engine)
    const side = formatUuid(engine.volume.superblock.sideUuid)
    const reasons: string[] = []
    const { transport, keys } = primaryEnd({
      volume: primary.volumeUuid,
      side,
      secret,
      ...(stored ? { stored } : {}),
    })
    const mirrors = new Mirrors({
      source: engine,
      primary,
      identity: { side, geometry: engine.volume.geometry, epoch: () => engine.volume.superblock.epoch },
      transport,
      clock: systemClock,
      random: seededRandom(9),
      limits: { heartbeatMs: 50, backoffMsMin: 10, backoffMsMax: 50, offerAgainMs: 100, troubleMs: 100 },
      onUnreached: (_url, reason) => reasons.push(reason),
      onHigherEpoch: () => void engine.fence(),
      onLostCp: () => void engine.fence('an older copy'),
    })
    mirrors.start()
    ends.push(() => mirrors.close())
    const workload = new Workload(4)
    workload.watch(engine)
    const cp = async (steps: number): Promise<number> => {
      for (let i = 0; i < steps; i++) await workload.step(engine)
      return (await engine.requestCp('requested')).root.cp
    }
    return { engine, mirrors, keys, workload, cp, reasons, volume: primary.volumeUuid, side, transport }
  }

  return { ends, startMirror, newMirror, newPrimaryEnd }
}

/** Monotonic milliseconds by which whatever is to happen has happened. */
export const soon = (): number => systemClock.monotonic() + 20_000
