/** A primary: the engine, its files, its mirrors, its history, and the door to all of them. */
import type { ServerConfiguration } from './configuration/configuration.ts'
import { readTokens, TokenDesk } from '../access/token-settings.ts'
import { openPrimary } from '../cp-engine/open-primary.ts'
import { zstd } from '../cp-engine/records/payloads.ts'
import { EngineVolume } from '../cp-engine/primary-volume.ts'
import { fences } from '../cp-engine/contract.ts'
import type { CpEngine } from '../cp-engine/cp-engine.ts'
import { AuditTrail, startOf } from './audit.ts'
import { KeptCatalog } from './catalog/kept-catalog.ts'
import type { RecordedCps } from './catalog/cp-history.ts'
import { reachLevel, reachingOf } from './durability-levels.ts'
import { blockBytes } from '../format/geometry.ts'
import { labelMs } from '../format/position.ts'
import { VolumeFiles } from '../fs/file-system.ts'
import { readTree } from '../fs/read/read-view.ts'
import { Views } from '../fs/read/image-leases.ts'
import { StillpointError } from '../lib/errors.ts'
import { logger } from '../lib/log.ts'
import { formatUuid } from '../lib/random.ts'
import type { OpenedVolume } from './opened-volume.ts'
import { HttpTransport } from '../replica/link/http-transport.ts'
import { parseCode } from '../replica/link/pairing-code.ts'
import { PrimaryKeyRing } from '../replica/link/peer-keys.ts'
import { Mirrors } from '../replica/primary/mirrors.ts'
import { makeApp } from '../routes/app.ts'
import type { CpTaker, MirrorMembers } from '../routes/http/dependencies.ts'
import { drawOpening } from '../routes/http/opening-header.ts'
import { knownTokensOf, refuseShutDoor } from './access.ts'
import { isLoopback } from './configuration/listen.ts'
import { abandonMsMax, drainMsMax, Door, doorMetrics, Failure, limits } from './door.ts'
import { ServerEvents } from './events/server-events.ts'
import { membersMetrics } from './metrics/mirror-metrics.ts'
import { fencedMetric, filesMetrics, spaceMetrics, spaceOfPrimary } from './metrics/space-metrics.ts'
import { VolumeMetrics } from './metrics/volume-metrics.ts'
import { isOwnAddress, systemNames } from './own-address.ts'
import { PairKeys } from './pair-keys.ts'
import type { RunningServer, StartOptions } from './running-server.ts'
import { statusOfServer } from './server-status.ts'
import { openSqlDesk } from './sql.ts'

const log = logger('primary')

/** Longest time that a stopping primary waits until its mirrors have the last CP. */
const flushMsMax = 5_000

export async function servePrimary(
  volume: OpenedVolume,
  configuration: ServerConfiguration,
  { clock, random, acceptLoss, names = systemNames, wrongCredentials }: StartOptions,
): Promise<RunningServer> {
  const failure = new Failure()
  const stored = PairKeys.open(configuration.data)
  const door = new Door(configuration, clock, wrongCredentials)
  const counted = new VolumeMetrics()
  const { cpIntervalMs, queueBytesMax, nodeCacheBytesMax, recordEncoding } = configuration
  const engine = await openPrimary(volume.device, {
    clock,
    random,
    cpIntervalMs,
    queueBytesMax,
    nodeCacheBytesMax,
    raiseVolumeTo: configuration.raiseVolumeTo,
    packing: recordEncoding === 'zstd' ? zstd : null,
    acceptSuperblockLoss: acceptLoss.includes('superblock'),
    acceptLogLoss: acceptLoss.includes('log'),
    acceptHistoryLoss: acceptLoss.includes('history'),
    acceptEpochLoss: acceptLoss.includes('epoch'),
    onLogSynced: counted.logSynced,
    onPoisoned: (error) => failure.report('a write to the device failed', error),
  })
  sayWhatWasFound(engine.recovery)
  if (engine.fencedWhy !== null) log.error(engine.fencedWhy)
  engine.onPublished(counted.published)
  const startedMs = clock.monotonic()

  const { superblock, geometry } = engine.volume
  sayVolumeMax(geometry.blocksMax * blockBytes, configuration.raiseVolumeTo)
  const side = formatUuid(superblock.sideUuid)
  const catalog = volume.openCatalog(side, () => engine.current().root.cp, configuration, clock)
  const trail = new AuditTrail(clock, catalog)
  trail.note('server-started', startOf('primary', configuration.given))
  if (acceptLoss.includes('history') && !engine.isFenced)
    trail.note('fence-lifted', 'what a later copy of the volume has is given up')
  if (acceptLoss.includes('epoch') && !engine.isFenced)
    trail.note('fence-lifted', 'what another primary has is given up')
  const files = new VolumeFiles(engine, clock)
  engine.onSpaceShort(() => files.hurry())
  const views = new Views({
    source: engine,
    clock,
    view: (tree) => readTree(engine, tree),
    openView: () => files.view(),
    settle: () => engine.requestCp('requested'),
  })
  const primary = new EngineVolume(engine)
  const { secret } = configuration
  const keys = new PrimaryKeyRing({
    secret,
    stored,
    isOpen: (url) => secret === null && isLoopback(URL.parse(url)?.hostname.replace(/^\[|\]$/g, '') ?? ''),
  })
  const mirrors = new Mirrors({
    source: engine,
    primary,
    identity: { side, geometry, epoch: () => engine.volume.superblock.epoch },
    transport: new HttpTransport({ clock, random, volume: primary.volumeUuid, side, keys }),
    clock,
    random,
    onTransfer: (mirror, transfer) => catalog.recordTransfer({ mirror, ...transfer, atMs: labelMs(clock) }),
    onMirrored: (mirror, cp) => events.mirrored(mirror, cp),
    onAdopted: (mirror, url) => trail.note('adopted', `mirror at ${url}`, mirror),
    onLostCp(mirror, cp) {
      if (engine.isFenced) return
      trail.note('fenced', `the mirror at ${mirror} has a later consistency point, ${cp}`)
      log.error(fences['an older copy'], { mirror, cp, published: engine.current().root.cp })
      engine.fence('an older copy').catch(() => {})
      events.fenced(fences['an older copy'])
    },
    onUnreached: (url, reason) => log.warn('a mirror is not reached', { url, reason }),
    onHigherEpoch(epoch) {
      if (engine.isFenced) return
      trail.note('fenced', `a mirror follows a higher epoch, ${epoch.number}`)
      log.error(fences['another primary'], { epoch: epoch.number })
      // When the fence cannot be written, the engine is poisoned, and reports the poisoning by itself.
      engine.fence().catch(() => {})
      events.fenced(fences['another primary'])
    },
  })

  const known = knownTokensOf(configuration, clock)
  const openTree = files.view()
  const { mark, tokens } = await readTokens(openTree, undefined).finally(() => openTree.release())
  known.replace(tokens ?? [], mark !== null)
  refuseShutDoor(known, configuration)

  const kept = new KeptCatalog(catalog, engine, 'primary', clock, configuration.catalogFiles, async () =>
    (await mirrors.list()).map(({ id, url, state, cp, lagCps, lagMs, heldBytes, needs }) => ({
      id,
      url,
      state,
      cp,
      lagCps,
      lagMs,
      heldBytes,
      needs,
    })),
  )
  const sql = openSqlDesk(configuration, kept, door.refusals, clock)
  engine.onSpaceShort(() => {
    kept.spaceShort()
    return false
  })
  const events = new ServerEvents({
    clock,
    source: engine,
    mirrors: () => mirrors.standings(),
    record: kept.recordEvent,
  })
  const members: MirrorMembers = {
    list: () => mirrors.list(),
    async remove(id) {
      const url = (await mirrors.list()).find((mirror) => mirror.id === id)?.url
      const isRemoved = await mirrors.remove(id)
      if (url !== undefined) await keys.forget(url, id)
      return isRemoved
    },
    async add(url, code = null) {
      if (await isOwnAddress(url, http, names, clock))
        throw new StillpointError('bad-json', `url: ${url} is the address of this primary`)
      engine.assertWritable()
      if (code === null) {
        await keys.takeBack(url)
        return mirrors.add(url)
      }
      await keys.give(url, codeOf(code))
      return mirrors.addAfresh(url)
    },
  }

  let isStopping = false
  const reaching = reachingOf(clock, engine, mirrors)
  const app = makeApp({
    role: 'primary',
    audit: trail.record,
    views,
    newest: files.newest,
    cps: kept.cps,
    sql,
    clock,
    random,
    limits,
    resources: door.resources,
    needsToken: () => known.readsNeedToken,
    files,
    mirrors: members,
    access: known,
    tokens: new TokenDesk(files, known, random),
    taker: { opening: drawOpening(random), take: () => takeCp(engine, kept.cps) },
    reach: (applied, wish) => reachLevel(reaching, applied, wish),
    ready() {
      if (failure.first) return { ok: false, reason: failure.first.message }
      if (isStopping) return { ok: false, reason: 'the server is stopping' }
      return { ok: true, reason: engine.fencedWhy ?? '' }
    },
    events: events.sources,
    serverStatus: () =>
      statusOfServer(engine.volume, { startedMs, space: spaceOfPrimary(engine), catalog: kept.status() }),
    metrics: async () => [
      ...counted.metrics(engine, views.keptCps().length),
      ...counted.logMetrics(),
      ...spaceMetrics(spaceOfPrimary(engine), engine.volume.device),
      ...filesMetrics(files),
      fencedMetric(engine.isFenced),
      ...membersMetrics(mirrors.standings(), { source: engine, primary, sequence: engine.sequence }),
      ...doorMetrics(door),
      ...events.metrics(),
      ...kept.metrics(),
      ...sql.metrics(),
    ],
    reportBug: (error) => failure.report('a bug', error),
  })

  const http = door.open([{ prefix: '/', fetch: (request, url) => app.fetch(request, url) }])
  files.start()
  mirrors.start()
  const adding = addMirrors(members, configuration.mirrors)

  return {
    url: http.url,
    role: 'primary',
    publishedCp: () => engine.current().root.cp,
    pairing: null,
    failed: failure.happened,
    async stop() {
      isStopping = true
      events.close()
      const drained = door.close(drainMsMax)
      // Requests that wait for a CP or for a mirror are answered now.
      views.close()
      mirrors.endWaits()
      await sql.close()
      await drained
      await adding
      try {
        await files.close()
      } finally {
        // The engine takes the last consistency point, even when closing the files has failed.
        await engine.close()
      }
      const { cp } = engine.current().root
      if (!(await mirrors.flush(cp, clock.monotonic() + flushMsMax)))
        log.warn('not every mirror has the last consistency point', { cp })
      mirrors.close()
      trail.close('after its last consistency point')
      await kept.stop()
      await volume.close()
    },
    async abandon() {
      isStopping = true
      events.close()
      mirrors.close()
      await sql.close()
      await door.close(abandonMsMax)
      trail.close('after a failure')
      await kept.abandon()
    },
  }
}

/**
 * The limit of a volume is only ever raised: an operator who asks for less gets a warning with the limit in force.
 */
function sayVolumeMax(bytes: number, asked: number | null): void {
  if (asked !== null && asked - (asked % blockBytes) < bytes)
    log.warn('the volume may grow further than was asked for: that is never lowered', { asked, bytes })
}

function sayWhatWasFound({ replayed, log: state, lost }: CpEngine['recovery']): void {
  if (replayed > 0 || lost.length > 0) log.warn('recovered', { replayed, log: state, lost })
  if (state === 'torn')
    log.warn(
      'the last group of the log is not whole: the crash tore it before it was acknowledged, or it was damaged within the milliseconds in which nothing had sealed it',
    )
}

/**
 * A configured mirror becomes a member; a member that is no longer configured stays until a client deletes the
 * member.
 */
async function addMirrors(mirrors: MirrorMembers, urls: readonly string[]): Promise<void> {
  const known = new Set((await mirrors.list()).map((mirror) => mirror.url))
  for (const url of urls) {
    if (known.has(url)) continue
    try {
      const { reached } = await mirrors.add(url)
      if (!reached) log.warn('the mirror has not answered yet', { url })
    } catch (error) {
      log.error('the mirror cannot be added', {
        url,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }
}

function codeOf(text: string): Uint8Array {
  const code = parseCode(text)
  if (code) return code
  throw new StillpointError('bad-json', 'code: the pairing code as the mirror shows it')
}

async function takeCp(engine: CpEngine, cps: RecordedCps): ReturnType<CpTaker['take']> {
  engine.assertWritable()
  const before = engine.current().root.cp
  const { root } = await engine.requestCp('requested')
  return { taken: root.cp !== before, record: await cps.recordOf(root.cp) }
}
