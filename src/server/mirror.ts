/**
 * A mirror: the applier that receives CPs, the files of the published CP, the history, and a door that only reads.
 */
import type { ServerConfiguration } from './configuration/configuration.ts'
import { TokenFeed } from '../access/token-feed.ts'
import { AuditTrail, startOf } from './audit.ts'
import { KeptCatalog, type SeenMirror } from './catalog/kept-catalog.ts'
import type { RootSource } from '../cp-engine/contract.ts'
import { Volume, pinMsMax } from '../cp-engine/volume/volume.ts'
import { labelMs } from '../format/position.ts'
import { isNowhere, type MirrorNeed } from '../format/wire/messages.ts'
import { NewestFiles } from '../fs/read/instant-files.ts'
import { readTree } from '../fs/read/read-view.ts'
import { Views } from '../fs/read/image-leases.ts'
import { logger } from '../lib/log.ts'
import { formatUuid } from '../lib/random.ts'
import type { OpenedVolume } from './opened-volume.ts'
import { createReplicaFetch } from '../replica/link/http-receiver.ts'
import { PairingCode, codeMsMax, formatCode } from '../replica/link/pairing-code.ts'
import { MirrorKeyRing } from '../replica/link/peer-keys.ts'
import { PeerSessions } from '../replica/link/peer-sessions.ts'
import { MirrorApplier } from '../replica/mirror/mirror-applier.ts'
import { makeApp } from '../routes/app.ts'
import type { OwnStatus } from '../routes/http/dependencies.ts'
import { problem } from '../routes/http/problem.ts'
import { StillpointError } from '../lib/errors.ts'
import { knownTokensOf, refuseShutDoor } from './access.ts'
import { isLoopback } from './configuration/listen.ts'
import { abandonMsMax, drainMsMax, Door, doorMetrics, Failure, limits } from './door.ts'
import { ServerEvents } from './events/server-events.ts'
import { ownMetrics } from './metrics/mirror-metrics.ts'
import { spaceMetrics, spaceOfImage } from './metrics/space-metrics.ts'
import { VolumeMetrics } from './metrics/volume-metrics.ts'
import { PairKeys } from './pair-keys.ts'
import type { RunningServer, StartOptions } from './running-server.ts'
import { statusOfServer } from './server-status.ts'
import { openSqlDesk } from './sql.ts'
import { Stopping } from './stopping.ts'

const log = logger('mirror')

/** A primary that has been silent for so long is away: a primary that is there says something every second. */
const silenceMsMax = 10_000

export async function serveMirror(
  opened: OpenedVolume,
  configuration: ServerConfiguration,
  { clock, random, acceptLoss, pair = false, wrongCredentials }: StartOptions,
): Promise<RunningServer> {
  const failure = new Failure()
  const stored = PairKeys.open(configuration.data)
  const door = new Door(configuration, clock, wrongCredentials)
  const volume = await Volume.open(opened.device, {
    clock,
    acceptLoss: acceptLoss.includes('superblock'),
    nodeCacheBytesMax: configuration.nodeCacheBytesMax,
  })
  const side = formatUuid(volume.superblock.sideUuid)
  const counted = new VolumeMetrics()
  volume.onPublished(counted.published)
  const startedMs = clock.monotonic()
  const publishedCp = () => volume.currentOrNull()?.root.cp ?? 0
  const catalog = opened.openCatalog(side, publishedCp, configuration, clock)
  const trail = new AuditTrail(clock, catalog)
  trail.note('server-started', startOf('mirror', configuration.given))
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
    onAdopted: (adopter, epoch) => trail.note('adopted', `by volume ${adopter}, epoch ${epoch}`),
    onTransfer: (transfer) => catalog.recordTransfer({ mirror: side, ...transfer, atMs: labelMs(clock) }),
  })

  const known = knownTokensOf(configuration, clock)
  const access = new TokenFeed(known, () => (volume.currentOrNull() ? views.open() : null))
  volume.onPublished(() => void access.newer())
  await access.newer()
  refuseShutDoor(known, configuration)

  const own = () => statusOf(volume, applier, labelMs(clock))
  const kept = new KeptCatalog(catalog, source, 'mirror', clock, configuration.catalogFiles, () =>
    Promise.resolve([seenOf(own())]),
  )
  const events = new ServerEvents({
    clock,
    source,
    mirrors: () => [own()],
    record: kept.recordEvent,
  })

  const sql = openSqlDesk(configuration, kept, door.refusals, clock)

  const stopping = new Stopping()
  const { secret } = configuration
  const isOnLoopback = isLoopback(configuration.listen.host)
  const { keys: pairs, unused } = stored.kept
  const isUnknown = secret === null && pairs.size === 0 && !isOnLoopback
  // The primary may have ended before it kept the key of the last pairing.
  const isPairing = pair || unused.length > 0 || isUnknown
  const code = isPairing ? new PairingCode(clock, random) : null
  const keys = new MirrorKeyRing({ secret, stored, code, isOnLoopback })
  const sessions = new PeerSessions({ clock, random, side, keys, certificates: () => door.certificates() })
  const replica = createReplicaFetch(applier, {
    clock,
    sessions,
    problem,
    clientOf: (request) => door.resources.clientOf(request),
    onCrowd: () => door.refusals.count('strangers'),
    onRefused: (what, request) =>
      trail.record({ event: 'refused', who: null, what, from: door.resources.clientOf(request) }),
  })
  const app = makeApp({
    role: 'mirror',
    access,
    audit: trail.record,
    views,
    newest: new NewestFiles(volume.newest),
    cps: kept.cps,
    sql,
    clock,
    random,
    limits,
    resources: door.resources,
    needsToken: () => known.readsNeedToken,
    status: own,
    ready() {
      if (failure.first) return { ok: false, reason: failure.first.message }
      if (stopping.hasBegun) return { ok: false, reason: isEnding().message }
      return volume.currentOrNull()
        ? { ok: true, reason: '' }
        : { ok: false, reason: 'this mirror has not received a consistency point yet' }
    },
    events: events.source,
    serverStatus: () =>
      statusOfServer(volume, { startedMs, space: spaceOfImage(volume), catalog: kept.status() }),
    metrics: async () => [
      ...counted.metrics(source, views.keptCps().length),
      ...spaceMetrics(spaceOfImage(volume)),
      ...ownMetrics(applier, own(), labelMs(clock)),
      ...doorMetrics(door),
      ...events.metrics(),
      ...kept.metrics(),
      ...sql.metrics(),
    ],
    reportBug: (error) => failure.report('a bug', error),
  })

  const http = door.open([
    {
      prefix: '/replica/',
      onlyPeers: true,
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
    pairing: shown(code),
    failed: failure.happened,
    async stop() {
      stopping.begin()
      events.close()
      const drained = door.close(drainMsMax)
      views.close()
      await sql.close()
      await drained
      await applier.close()
      await access.close()
      trail.close('with everything that it has received')
      await kept.stop()
      await opened.close()
    },
    async abandon() {
      stopping.begin()
      events.close()
      await sql.close()
      await door.close(abandonMsMax)
      trail.close('after a failure')
      await kept.abandon()
    },
  }
}

const seenOf = ({ id, state, cp, lagCps, lagMs, needs: need }: OwnStatus): SeenMirror => ({
  id,
  url: null,
  state,
  cp,
  lagCps,
  lagMs,
  heldBytes: null,
  needs: need,
})

function shown(code: PairingCode | null): RunningServer['pairing'] {
  const bytes = code?.current()
  return bytes ? { code: formatCode(bytes), minutes: codeMsMax / 60_000 } : null
}

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
  const { lagCps, lagMs } = applier.ownLag()
  const isBehind = stage === 'receiving' || stage === 'wanting' || isMissing
  return {
    id: side,
    volume: volumeUuid.every((byte) => byte === 0) ? null : formatUuid(volumeUuid),
    state: isAway ? 'away' : need !== 'nothing' ? 'stalled' : isBehind ? 'catching-up' : 'live',
    cp: published.cp,
    targetCp: isNowhere(target) ? null : target.cp,
    lagCps,
    lagMs,
    needs: need === 'space' ? `space: ${needsBytes} bytes` : needs[need],
    lastSeenMs: silentMs === null ? null : Math.max(0, nowMs - silentMs),
  }
}
