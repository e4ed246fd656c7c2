/**
 * The forecast tells what an open of a volume would do, by an open in memory: reads go to the device, writes to an
 * overlay that is forgotten. So the answer is the answer of the open itself, and a caller can look at the volume
 * after the open.
 */
import { DeviceError } from '../blockdev/block-device.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { OverlayDevice } from '../blockdev/overlay-device.ts'
import type { Role } from '../format/disk/superblock.ts'
import type { Clock } from '../lib/clock.ts'
import { StillpointError } from '../lib/errors.ts'
import type { Random } from '../lib/random.ts'
import { type OpenPrimaryOptions, openPrimary } from './open-primary.ts'
import type { LogPlan } from './open/log-plan.ts'
import type { PublishedRoot } from './contract.ts'
import { Volume } from './volume/volume.ts'

export type OpenForecast =
  | {
      readonly outcome: 'opens'
      /** The cp that the volume serves after the open; null for a mirror that has received nothing. */
      readonly cp: number | null
      readonly sequence: number | null
      readonly replayed: number
      /** Reason why a primary only reads; null when the primary takes writes. */
      readonly fenced: string | null
    }
  | {
      readonly outcome: 'refused'
      /** An error code of the contract, or `device` when the device could not be read. */
      readonly code: string
      readonly message: string
      readonly waysOut: readonly string[]
    }

interface Forecast {
  readonly open: OpenForecast
  /** Error that the open has thrown; null when the volume opens. */
  readonly error: unknown
  /** Null when the open did not come to the log, or when there is no log. */
  readonly log: Omit<LogPlan, 'plan'> | null
  /** The volume after the open; null when the volume does not open. */
  readonly after: { readonly device: BlockDevice; readonly published: PublishedRoot | null } | null
}

/** The same volume has the same forecast, so the clock stands still and the random bytes are fixed. */
const stillClock: Clock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => () => {},
  sleep: () => Promise.resolve(),
  yield: () => Promise.resolve(),
}
const noChance: Random = { bytes: (length) => new Uint8Array(length).fill(0x5a) }

/** Bytes of the node cache: enough for a look that goes through the tree once. */
const cacheBytes = 2 ** 24

export async function forecastOpen(device: BlockDevice, role: Role): Promise<Forecast> {
  const overlay = new OverlayDevice(device)
  if (role === 'mirror') return forecastMirror(overlay)
  const heard: { log: LogPlan | null } = { log: null }
  const options: OpenPrimaryOptions = {
    clock: stillClock,
    random: noChance,
    nodeCacheBytesMax: cacheBytes,
    // No CP is due here, and nothing is queued.
    cpIntervalMs: Number.MAX_SAFE_INTEGER,
    queueBytesMax: cacheBytes,
    logSealIdleMs: null,
    onLogRead: (log) => void (heard.log = log),
  }
  try {
    const engine = await openPrimary(overlay, options)
    const published = engine.current()
    const { cp, sequence } = published.root
    const { replayed } = engine.recovery
    return {
      open: { outcome: 'opens', cp, sequence, replayed, fenced: engine.fencedWhy },
      log: heard.log,
      error: null,
      after: { device: overlay, published },
    }
  } catch (error) {
    if (error instanceof DeviceError && !heard.log)
      // The readable part of the log says more than the fact that another part cannot be read.
      await openPrimary(new OverlayDevice(device), { ...options, acceptLogLoss: true }).catch(() => {})
    return { open: refusedBy(error), log: heard.log, error, after: null }
  }
}

async function forecastMirror(overlay: OverlayDevice): Promise<Forecast> {
  try {
    const volume = await Volume.open(overlay, { clock: stillClock, nodeCacheBytesMax: cacheBytes })
    const published = volume.currentOrNull()
    const { cp = null, sequence = null } = published?.root ?? {}
    return {
      open: { outcome: 'opens', cp, sequence, replayed: 0, fenced: null },
      log: null,
      error: null,
      after: { device: overlay, published },
    }
  } catch (error) {
    return { open: refusedBy(error), log: null, error, after: null }
  }
}

function refusedBy(error: unknown): OpenForecast {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof StillpointError)) {
    const code = error instanceof DeviceError ? 'device' : 'internal'
    return { outcome: 'refused', code, message, waysOut: [] }
  }
  const { code, help } = error
  const { waysOut } = help
  return { outcome: 'refused', code, message, waysOut: Array.isArray(waysOut) ? waysOut.map(String) : [] }
}
