/**
 * Serves a volume that is only read, in either role, because its file system cannot be written: full, read-only, or
 * failing.
 *
 * - The server writes nothing to the block file, not even the opening. Readers see the image that was published last;
 *   the reason gives the number of acknowledged operations that only the log has.
 * - Every request that would change something is answered `fenced` with the reason, and `/readyz` says the reason.
 * - The server writes again only after a new start.
 */
import { TokenFeed } from '../access/token-feed.ts'
import { lookAtLog } from '../cp-engine/open-primary.ts'
import { Volume } from '../cp-engine/volume/volume.ts'
import { DeviceError } from '../blockdev/block-device.ts'
import type { FileSystem } from '../fs/contract.ts'
import { NewestFiles } from '../fs/read/instant-files.ts'
import { readTree } from '../fs/read/read-view.ts'
import { Views } from '../fs/read/image-leases.ts'
import { hasCode, StillpointError } from '../lib/errors.ts'
import { logger } from '../lib/log.ts'
import { formatUuid } from '../lib/random.ts'
import { makeApp } from '../routes/app.ts'
import type { MirrorRecord, OwnStatus } from '../routes/http/dependencies.ts'
import { drawOpening } from '../routes/http/opening-header.ts'
import { problem } from '../routes/http/problem.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { AuditTrail, startOf } from './audit.ts'
import { KeptCatalog } from './catalog/kept-catalog.ts'
import { knownTokensOf, refuseShutDoor } from './access.ts'
import { abandonMsMax, drainMsMax, Door, doorMetrics, Failure, limits } from './door.ts'
import { ServerEvents } from './events/server-events.ts'
import { fencedMetric, spaceMetrics, spaceOfImage } from './metrics/space-metrics.ts'
import { VolumeMetrics } from './metrics/volume-metrics.ts'
import type { OpenedVolume } from './opened-volume.ts'
import type { RunningServer, StartOptions } from './running-server.ts'
import { statusOfServer } from './server-status.ts'
import { openSqlDesk } from './sql.ts'

const log = logger('server')

/** Reason, in words, why a write stopped an open; null when the open failed for any other reason. */
export function whyNotWritten(error: unknown): string | null {
  const isWrite = error instanceof DeviceError || hasCode(error, 'disk-full') || hasCode(error, 'poisoned')
  return isWrite ? error.message : null
}

export async function serveReading(
  opened: OpenedVolume,
  configuration: ServerConfiguration,
  { clock, random, wrongCredentials }: StartOptions,
): Promise<RunningServer> {
  const failure = new Failure()
  const door = new Door(configuration, clock, wrongCredentials)
  const { nodeCacheBytesMax } = configuration
  const volume = await Volume.open(opened.device, { clock, readOnly: true, nodeCacheBytesMax })
  const { role } = opened
  const publishedCp = () => volume.currentOrNull()?.root.cp ?? 0
  const why = await reasonOf(opened, volume)
  log.error(why)

  const side = formatUuid(volume.superblock.sideUuid)
  const catalog = opened.openCatalog(side, publishedCp, configuration, clock)
  const trail = new AuditTrail(clock, catalog)
  trail.note('server-started', `${startOf(role, configuration.given)}; only reads are served`)
  const views = new Views({ source: volume, clock, view: (tree) => readTree(volume, tree) })
  const known = knownTokensOf(configuration, clock)
  const access = new TokenFeed(known, () => (volume.currentOrNull() ? views.open() : null))
  await access.newer()
  refuseShutDoor(known, configuration)
  const kept = new KeptCatalog(catalog, volume, role, clock, configuration.catalogFiles, () =>
    Promise.resolve([]),
  )
  const events = new ServerEvents({ clock, source: volume, mirrors: () => [], record: kept.recordEvent })
  const counted = new VolumeMetrics()
  const startedMs = clock.monotonic()
  const sql = openSqlDesk(configuration, kept, door.refusals, clock)
  let isStopping = false
  const common = {
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
    ready() {
      if (failure.first) return { ok: false, reason: failure.first.message }
      if (isStopping) return { ok: false, reason: 'the server is stopping' }
      return volume.currentOrNull() ? { ok: true, reason: why } : { ok: false, reason: why }
    },
    events: events.sources,
    serverStatus: () =>
      statusOfServer(volume, {
        startedMs,
        space: spaceOfImage(volume),
        catalog: kept.status(),
      }),
    metrics: async () => [
      ...counted.metrics(volume, views.keptCps().length),
      ...spaceMetrics(spaceOfImage(volume), volume.device),
      fencedMetric(true),
      ...doorMetrics(door),
      ...events.metrics(),
      ...kept.metrics(),
      ...sql.metrics(),
    ],
    reportBug: (error: Error) => failure.report('a bug', error),
  }
  const refuse = (): never => {
    throw new StillpointError('fenced', why)
  }
  const refuseFrames = () => Promise.resolve(problem(new StillpointError('fenced', why)))
  const app =
    role === 'primary'
      ? makeApp({
          ...common,
          role,
          files: closedFiles(views, refuse),
          mirrors: { list: () => Promise.resolve(membersOf(volume)), add: refuse, remove: refuse },
          tokens: { create: refuse, revoke: refuse },
          taker: { opening: drawOpening(random), take: refuse },
          reach: refuse,
        })
      : makeApp({ ...common, role, status: () => statusOf(volume, side, why) })

  const http = door.open([
    ...(role === 'mirror' ? [{ prefix: '/replica/', onlyPeers: true, fetch: refuseFrames }] : []),
    { prefix: '/', fetch: (request, url) => app.fetch(request, url) },
  ])
  const end = async (drainMs: number): Promise<void> => {
    isStopping = true
    events.close()
    const drained = door.close(drainMs)
    views.close()
    await sql.close()
    await drained
    trail.close('without a write')
  }
  return {
    url: http.url,
    role,
    publishedCp,
    pairing: null,
    failed: failure.happened,
    async stop() {
      await end(drainMsMax)
      await kept.stop()
      await opened.close()
    },
    async abandon() {
      await end(abandonMsMax)
      await kept.abandon()
    },
  }
}

async function reasonOf(opened: OpenedVolume, volume: Volume): Promise<string> {
  const why = `nothing can be written (${opened.onlyReadsWhy}), so only reads are served until this server is started again`
  if (opened.role !== 'primary') return why
  const { operations, problems } = await lookAtLog(volume)
  const { cp } = volume.current().root
  const said = [why]
  if (operations > 0)
    said.push(
      `${operations} acknowledged operations after consistency point ${cp} are in the log, safe and not shown`,
    )
  const [first] = problems
  if (first)
    said.push(
      `the log is damaged, and what it has from there on may be lost: ${first.message} (see \`check\`)`,
    )
  return said.join('; ')
}

const closedFiles = (views: Views, refuse: () => never): FileSystem => ({
  view: () => views.open(),
  putFile: refuse,
  putLink: refuse,
  patchFile: refuse,
  resizeFile: refuse,
  deleteFile: refuse,
  makeDirectory: refuse,
  deleteDirectory: refuse,
  move: refuse,
  batch: refuse,
  changeSettings: refuse,
  reach: refuse,
})

const membersOf = (volume: Volume): MirrorRecord[] =>
  volume.superblock.members.map(({ uuid, url }) => ({
    id: formatUuid(uuid),
    url,
    state: 'away',
    cp: null,
    lagCps: null,
    lagMs: null,
    needs: 'a primary that can write',
    heldBytes: null,
    lastSeenMs: null,
  }))

function statusOf(volume: Volume, side: string, why: string): OwnStatus {
  const { volumeUuid } = volume.superblock
  return {
    id: side,
    volume: volumeUuid.every((byte) => byte === 0) ? null : formatUuid(volumeUuid),
    state: 'stalled',
    cp: volume.currentOrNull()?.root.cp ?? 0,
    targetCp: null,
    lagCps: 0,
    lagMs: 0,
    needs: why,
    lastSeenMs: null,
  }
}
