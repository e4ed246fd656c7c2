/** What packs records in a process that has no threads: they would end when they like. */
import { type Packing, zstd } from '../../src/cp-engine/records/payloads.ts'

export const zstdInTurn: Packing = { now: zstd.now, later: (bytes) => Promise.resolve(zstd.now(bytes)) }
