/**
 * A mirror: the applier that receives CPs, the files of the published CP, the history, and a door that only reads.
 */
import type { ServerConfiguration } from './configuration/configuration.ts'
import { KeptCatalog, type SeenMirror } from './kept-catalog.ts'
import type { RootSource } from '../cp-engine/contract.ts'
import { Volume, pinMsMax } from '../cp-engine/volume/volume.ts'
import { blockBytes } from '../format/geometry.ts'
import { cpsBetween, labelMs } from '../format/position.ts'
import { isNowhere, type MirrorNeed } from '../format/wire/messages.ts'
import { NewestFiles } from '../fs/read/instant-files.ts'
import { readTree } from '../fs/read/read-view.ts'
import { Views } from '../fs/read/image-leases.ts'
import { logger } from '../lib/log.ts'
import { formatUuid } from '../lib/random.ts'
import type { OpenedVolume } from './opened-volume.ts'
import { createReplicaFetch } from '../replica/link/http-transport.ts'
import { MirrorApplier } from '../replica/mirror/mirror-applier.ts'
import { makeApp } from '../routes/app.ts'
import type { Gauge, OwnStatus } from '../routes/http/dependencies.ts'
import { problem } from '../routes/http/problem.ts'
import { StillpointError } from '../lib/errors.ts'
import { abandonMsMax, drainMsMax, Failure, limits, listen } from './door.ts'
import type { RunningServer, StartOptions } from './running-server.ts'
import { Stopping } from './stopping.ts'

const log = logger('mirror')

/** A primary that has been silent for so long is away: a primary that is there says something every second. */
const silenceMsMax = 10_000

export async function serveMirror(
  opened: OpenedVolume,
  configuration: ServerConfiguration,
  { clock, random, acceptLoss }: StartOptions,
): Promise<RunningServer> {
  const failure = new Failure()
  const volume = await Volume.open(opened.device, {
    clock,
    acceptLoss: acceptLoss.includes('superblock'),
    nodeCacheBytesMax: configuration.nodeCacheBytesMax,
  })
  const side = formatUuid(volume.superblock.sideUuid)
  const publishedCp = () => volume.currentOrNull()?.root.cp ?? 0
  const catalog = opened.openCatalog(side, publishedCp, configuration, clock)
  const source: RootSource = {
    current: () => volume.current(),
    readable: () => volume.readable(),
    view: (published) => volume.view(published),
    pin: (published) => volume.pin(published, clock.monotonic()),
    onPublished: (listener) => volume.onPublished(listener),
  }
  const views = new Views({ source, clock, view: (tree) => readTree(source, tree) })
  const applier = new MirrorApplier(volume, {
    clock,
    random,
    queueBytesMax: configuration.queueBytesMax,
    onFailed: (error) => failure.report('a write to the device failed', error),
    onTooManyRoots() {
      kept.spaceShort()
      if (volume.cutOldestPins())
        log.warn('readers kept too many consistency points: the oldest ones are cut')
    },
    onSpaceShort() {
      kept.spaceShort()
      volume.cutPins(clock.monotonic() - pinMsMax)
    },
    onTransfer: (transfer) => catalog.recordTransfer({ mirror: side, ...transfer, atMs: labelMs(clock) }),
  })

  const kept = new KeptCatalog(catalog, source, 'mirror', clock, configuration.catalogFiles, () =>
    Promise.resolve([seenOf(statusOf(volume, applier, labelMs(clock)))]),
  )
  const stopping = new Stopping()
  const replica = createReplicaFetch(applier, { clock, secret: configuration.secret, problem })
  const app = makeApp({
    role: 'mirror',
    views,
    newest: new NewestFiles(volume.newest),
    cps: kept.cps,
    clock,
    limits,
    status: () => statusOf(volume, applier, labelMs(clock)),
    ready() {
      if (failure.first) return { ok: false, reason: failure.first.message }
      if (stopping.hasBegun) return { ok: false, reason: isEnding().message }
      return volume.currentOrNull()
        ? { ok: true, reason: '' }
        : { ok: false, reason: 'this mirror has not received a consistency point yet' }
    },
    gauges: () => [...gaugesOf(volume, applier, views), ...kept.gauges()],
    reportBug: (error) => failure.report('a bug', error),
  })

  const http = listen(configuration, clock, [
    {
      prefix: '/replica/',
      async fetch(request) {
        try {
          // The primary always has an open request that waits for answers; a mirror that stops ends that request.
          const answer = await stopping.unless(replica(request))
          return answer === 'stopping' ? problem(isEnding()) : (answer ?? problem(nothingHere()))
        } catch (error) {
          failure.report('a bug', error)
          return problem(error)
        }
      },
    },
    { prefix: '/', fetch: (request, url) => app.fetch(request, url) },
  ])

  return {
    url: http.url,
    role: 'mirror',
    publishedCp,
    failed: failure.happened,
    async stop() {
      stopping.begin()
      const drained = http.stop(drainMsMax)
      views.close()
      await drained
      await applier.close()
      await kept.stop()
      await opened.close()
    },
    async abandon() {
      stopping.begin()
      await http.stop(abandonMsMax)
      await kept.abandon()
    },
  }
}

const seenOf = ({ id, state, cp, targetCp, needs: need }: OwnStatus): SeenMirror => ({
  id,
  url: null,
  state,
  cp,
  lagCps: targetCp === null ? null : cpsBetween(cp, targetCp),
  lagMs: null,
  heldBytes: null,
  needs: need,
})

const isEnding = (): StillpointError => new StillpointError('not-yet', 'the server is stopping')
const nothingHere = (): StillpointError => new StillpointError('not-found', 'there is no such address')

const needs: Readonly<Record<MirrorNeed, string | null>> = {
  nothing: null,
  space: 'space',
  'another-device': 'a device that keeps what is written',
  'a-common-cp':
    'a consistency point that both sides have. Stop this mirror, empty its folder, start it again; then, on its primary, DELETE /v1/mirrors/ID and POST /v1/mirrors with its address',
  'sound-blocks': 'blocks that match their checksums',
  'a-newer-version': 'a newer version of Stillpoint: it does not know the format of its primary',
}

function statusOf(volume: Volume, applier: MirrorApplier, nowMs: number): OwnStatus {
  const { side, published, target, stage, needs: need, needsBytes, silentMs, primaryCp } = applier.status()
  const { volumeUuid } = volume.superblock
  const isAway = silentMs === null || silentMs > silenceMsMax
  const isMissing = isNowhere(published) || (stage === 'idle' && published.cp < primaryCp)
  const isBehind = stage === 'receiving' || stage === 'wanting' || isMissing
  return {
    id: side,
    volume: volumeUuid.every((byte) => byte === 0) ? null : formatUuid(volumeUuid),
    state: isAway ? 'away' : need !== 'nothing' ? 'stalled' : isBehind ? 'catching-up' : 'live',
    cp: published.cp,
    targetCp: isNowhere(target) ? null : target.cp,
    needs: need === 'space' ? `space: ${needsBytes} bytes` : needs[need],
    lastSeenMs: silentMs === null ? null : Math.max(0, nowMs - silentMs),
  }
}

function gaugesOf(volume: Volume, applier: MirrorApplier, views: Views): Gauge[] {
  const received = [...applier.status().receivedBytes.values()].reduce((sum, bytes) => sum + bytes, 0)
  return [
    {
      name: 'published_cp',
      help: 'The newest published consistency point',
      value: volume.currentOrNull()?.root.cp ?? 0,
    },
    { name: 'readable_cps', help: 'Consistency points that can be read', value: volume.readable().length },
    { name: 'kept_cps', help: 'Of those, kept for readers', value: views.keptCps().length },
    { name: 'received_bytes', help: 'Bytes of blocks from the primary', value: received },
    { name: 'file_bytes', help: 'Size of the block file', value: volume.device.blockCount * blockBytes },
  ]
}
