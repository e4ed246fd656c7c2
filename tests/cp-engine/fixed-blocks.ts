/** Which blocks nobody may be given, in another way than the program's own: by the layout in words. */
import type { Geometry } from '../../src/format/geometry.ts'

/** Four copies of a superblock, the first 16 KiB of each of the first four MiB; behind them the ring of the log. */
export function isFixedBlock({ logAddress, logBlocks }: Geometry, address: number): boolean {
  if (address >= logAddress) return address < logAddress + logBlocks
  return address < 1024 && address % 256 < 4
}
