/**
 * Lets the kernel bound what this process may take, before it runs what strangers wrote. The bounds need calls that the
 * runtime does not offer, so they are there on Linux alone; the time of a question, its rows and its bytes have bounds
 * everywhere.
 *
 * - Memory: SQLite hears "out of memory", and the question ends. The allocator takes its memory from the system in small
 *   steps, as its environment says (`sandbox-process.ts`), or the bound would begin behind the first large step.
 * - No byte can be written to any file, and no memory of this process to a core file.
 * - The process ends with the process that started it, also when that one is killed in the middle of a question.
 */
import { readFileSync } from 'node:fs'
import { symbolsOf } from '../../lib/c-library.ts'

/** Numbers of Linux. */
const resources = { cpuSeconds: 0, fileBytes: 1, coreBytes: 4, addressBytes: 9 } as const
const endWithParent = 1
const sigKill = 9n
const unlimited = 2n ** 64n - 1n
const pageBytes = 4096

const calls = symbolsOf({
  setrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
  prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' },
})

function bound(resource: keyof typeof resources, soft: bigint, hard = soft): boolean {
  return calls?.setrlimit(resources[resource], new BigUint64Array([soft, hard])) === 0
}

/** Address space that this process has reserved; null where the system does not say. */
function reservedBytes(): number | null {
  try {
    return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * pageBytes
  } catch {
    return null
  }
}

/** False where the system has no such bounds. */
export function confine(memoryBytesMax: number): boolean {
  const reserved = reservedBytes()
  if (!calls || reserved === null) return false
  const isBounded = [
    bound('addressBytes', BigInt(reserved + memoryBytesMax)),
    bound('fileBytes', 0n),
    bound('coreBytes', 0n),
    calls.prctl(endWithParent, sigKill, 0n, 0n, 0n) === 0,
  ]
  return isBounded.every(Boolean)
}

/** The kernel ends this process after so much more time of a processor, also when its server has stopped. */
export function boundCpu(ms: number): void {
  const { user, system } = process.cpuUsage()
  const seconds = Math.ceil((user + system) / 1e6 + ms / 1000) + 1
  bound('cpuSeconds', BigInt(seconds), unlimited)
}
