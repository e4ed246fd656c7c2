/** The catalog of a server with all that keeps it: the history of CPs, and the files, unless they are switched off. */
import type { MirrorRow } from '../../catalog/catalog.ts'
import { FileFollower } from '../../catalog/files/follower.ts'
import type { RootSource } from '../../cp-engine/contract.ts'
import { labelMs } from '../../format/position.ts'
import type { Clock } from '../../lib/clock.ts'
import { counter, gauge, type Metric } from '../../lib/metric.ts'
import type { CatalogStatus, ServerRole } from '../../routes/http/dependencies.ts'
import type { KeptEvent } from '../../routes/http/event-source.ts'
import type { CatalogThread } from './catalog-thread.ts'
import { RecordedCps } from './cp-history.ts'

/** Longest time that a stop waits for the files to be those of the last CP. */
const catchUpMsMax = 2_000
/** The mirrors are looked at so long after a publication: by then most of them have the CP. */
const lookMs = 1_000

export type SeenMirror = Omit<MirrorRow, 'atMs'>

export class KeptCatalog {
  readonly cps: RecordedCps
  private readonly follower: FileFollower | null
  private cancelLook: (() => void) | null = null
  private readonly stopListening: () => void

  constructor(
    private readonly catalog: CatalogThread,
    source: RootSource,
    role: ServerRole,
    private readonly clock: Clock,
    keepsFiles: boolean,
    private readonly mirrors: () => Promise<readonly SeenMirror[]>,
  ) {
    this.cps = new RecordedCps(catalog, source, role)
    this.follower = keepsFiles ? new FileFollower(source, catalog, clock) : null
    this.follower?.start()
    this.stopListening = source.onPublished(() => {
      this.cancelLook ??= clock.after(lookMs, () => this.look())
    })
  }

  /** The follower of the roots; null when the files are switched off. */
  get files(): FileFollower | null {
    return this.follower
  }

  status(): CatalogStatus {
    const status = this.follower?.status()
    if (!status) return { state: 'off', cp: null, behindCps: 0, behindMs: 0 }
    const { cp, behindCps, behindMs, isFilling } = status
    const state = isFilling || cp === null ? 'filling' : behindCps > 0 ? 'behind' : 'current'
    return { state, cp, behindCps, behindMs }
  }

  metrics(): readonly Metric[] {
    const { cp, behindCps, behindMs, state } = this.status()
    const files =
      this.follower === null
        ? []
        : [
            gauge(
              'stillpoint_catalog_cp',
              'The consistency point that the files of the catalog are true for; 0 while they are filled',
              cp ?? 0,
            ),
            gauge(
              'stillpoint_catalog_behind_cps',
              'Consistency points that the files of the catalog are behind',
              behindCps,
            ),
            gauge(
              'stillpoint_catalog_behind_seconds',
              'Time since the first publication that the files of the catalog lack',
              behindMs / 1000,
            ),
            gauge(
              'stillpoint_catalog_filling',
              '1 while the files of the catalog are filled anew',
              state === 'filling' ? 1 : 0,
            ),
            counter(
              'stillpoint_catalog_fills_total',
              'How often the files of the catalog were filled anew since the start',
              this.follower.status().fills,
            ),
          ]
    return [
      ...files,
      counter(
        'stillpoint_catalog_dropped_rows_total',
        'Rows that the catalog could not take in time',
        this.catalog.dropped,
      ),
    ]
  }

  readonly recordEvent = ({ event, cp, mirror, facts, atMs }: KeptEvent): void =>
    this.catalog.recordEvent({ event, cp, mirror, facts: JSON.stringify(facts), atMs })

  /** Keeps no older root for the files. */
  spaceShort(): void {
    this.follower?.spaceShort()
  }

  /** Lets the files catch up, for a while, so that the next start need not fill them. */
  async stop(): Promise<void> {
    if (this.follower) {
      const { promise: tooLate, resolve } = Promise.withResolvers<void>()
      const cancel = this.clock.after(catchUpMsMax, resolve)
      await Promise.race([this.follower.caughtUp(), tooLate])
      cancel()
    }
    await this.abandon()
  }

  async abandon(): Promise<void> {
    this.stopListening()
    this.cancelLook?.()
    this.cps.close()
    await this.follower?.stop()
    await this.catalog.close()
  }

  private look(): void {
    this.cancelLook = null
    const atMs = labelMs(this.clock)
    // The next publication is followed by another look.
    this.mirrors().then(
      (seen) => this.catalog.recordMirrors(seen.map((mirror) => ({ ...mirror, atMs }))),
      () => {},
    )
  }
}
