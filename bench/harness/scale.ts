/** How large the rows are. `full` gives the numbers, `quick` an idea in seconds, `test` only shows that they work. */
export interface Scale {
  readonly name: 'full' | 'quick' | 'test'
  readonly rounds: number
  /** Of one timed window, and what runs before it. */
  readonly seconds: number
  readonly warmupSeconds: number
  /** Small files that a row writes to or reads from. */
  readonly keys: number
  readonly largeBytes: number
  readonly manyUploads: number
  readonly manyUploadBytes: number
  readonly listEntries: number
  readonly treeFiles: number
  readonly mirrorFiles: number
  readonly mirrorFileBytes: number
  readonly burstWrites: number
  readonly lagWrites: number
  /** Files of the volumes on which growth is measured, ascending. */
  readonly growthFiles: readonly number[]
  readonly growthFileBytes: number
  readonly growthChanges: number
  readonly sparseBytes: readonly number[]
  /** What is in the intent log when the server is killed. */
  readonly logBytes: number
  readonly fullLogBytes: number
  readonly uploadBytes: number
}

const kib = 2 ** 10
const mib = 2 ** 20
const gib = 2 ** 30

export const scales: Readonly<Record<Scale['name'], Scale>> = {
  full: {
    name: 'full',
    rounds: 3,
    seconds: 1.5,
    warmupSeconds: 0.5,
    keys: 4096,
    largeBytes: gib,
    manyUploads: 100,
    manyUploadBytes: 10 * mib,
    listEntries: 100_000,
    treeFiles: 20_000,
    mirrorFiles: 10_000,
    mirrorFileBytes: 64 * kib,
    burstWrites: 20_000,
    lagWrites: 400,
    growthFiles: [10_000, 100_000, 1_000_000],
    growthFileBytes: 1000,
    growthChanges: 1000,
    sparseBytes: [gib, 10 * gib, 100 * gib],
    logBytes: 8 * mib,
    // With heads, pointers and padding some 30 MiB of the ring.
    fullLogBytes: 24 * mib,
    uploadBytes: 10 * gib,
  },
  quick: {
    name: 'quick',
    rounds: 1,
    seconds: 0.4,
    warmupSeconds: 0.2,
    keys: 256,
    largeBytes: 64 * mib,
    manyUploads: 20,
    manyUploadBytes: 4 * mib,
    listEntries: 3000,
    treeFiles: 500,
    mirrorFiles: 300,
    mirrorFileBytes: 64 * kib,
    burstWrites: 1000,
    lagWrites: 50,
    growthFiles: [1000, 20_000],
    growthFileBytes: 1000,
    growthChanges: 500,
    sparseBytes: [gib, 100 * gib],
    logBytes: 2 * mib,
    fullLogBytes: 8 * mib,
    uploadBytes: 256 * mib,
  },
  test: {
    name: 'test',
    rounds: 1,
    seconds: 0.1,
    warmupSeconds: 0,
    keys: 48,
    largeBytes: 3 * mib + 12_345,
    manyUploads: 3,
    manyUploadBytes: mib + 77,
    listEntries: 30,
    treeFiles: 20,
    mirrorFiles: 20,
    mirrorFileBytes: 16 * kib,
    burstWrites: 30,
    lagWrites: 5,
    growthFiles: [20, 60],
    growthFileBytes: 1000,
    growthChanges: 10,
    sparseBytes: [gib],
    logBytes: 64 * kib,
    fullLogBytes: 128 * kib,
    uploadBytes: 4 * mib,
  },
}
