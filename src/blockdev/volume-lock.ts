/**
 * Two processes never serve one volume.
 *
 * - The lock is an flock on a file in the volume's folder: it goes with the process, whatever ends it. The file stays;
 *   who removed it would let two processes lock two files of the same name.
 * - The file names its holder. Where there is no flock that is the lock: it counts while a process with that id and
 *   that start time lives on this boot of the machine.
 *
 * Errors: StillpointError `busy`, one sentence.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { StillpointError, systemCodeOf } from '../lib/errors.ts'
import { tryLock } from './libc.ts'

const lockFileName = 'lock'

interface VolumeLock {
  release(): void
}

export interface LockOptions {
  /** For tests of the way without it. */
  readonly tryLock?: typeof tryLock
}

interface Holder {
  readonly pid: number
  /** What tells a process from a later one with the same id; null where the system does not say. */
  readonly started: string | null
  readonly method: 'flock' | 'file'
}

export function lockVolume(folder: string, options: LockOptions = {}): VolumeLock {
  const path = join(folder, lockFileName)
  const descriptor = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
  try {
    const outcome = (options.tryLock ?? tryLock)(descriptor)
    const holder = readHolder(path)
    if (outcome === 'busy') throw busy(folder, holder)
    // One that could not use flock holds the volume by its name alone.
    if (holder?.method === 'file' && isAlive(holder)) throw busy(folder, holder)
    if (outcome === 'unsupported') {
      fs.closeSync(descriptor)
      return lockByName(folder, path)
    }
    fs.ftruncateSync(descriptor, 0)
    fs.writeSync(descriptor, describeSelf('flock'), 0)
  } catch (error) {
    closeQuietly(descriptor)
    throw error
  }
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      fs.ftruncateSync(descriptor, 0)
      fs.closeSync(descriptor)
    },
  }
}

/**
 * The name is taken by renaming a complete file over one whose holder is dead, and read again afterwards: of two that
 * find the same dead holder the last one wins and the first one sees it.
 */
function lockByName(folder: string, path: string): VolumeLock {
  const holder = readHolder(path)
  if (holder && isAlive(holder)) throw busy(folder, holder)
  const mine = describeSelf('file')
  const temporary = `${path}.${process.pid}`
  fs.writeFileSync(temporary, mine, { mode: 0o600 })
  fs.renameSync(temporary, path)
  if (fs.readFileSync(path, 'utf8') !== mine) throw busy(folder, readHolder(path))
  let held = true
  return {
    release() {
      if (held) fs.writeFileSync(path, '')
      held = false
    },
  }
}

function busy(folder: string, holder: Holder | null): StillpointError {
  const who = holder ? `process ${holder.pid}` : 'another process'
  return new StillpointError(
    'busy',
    `the volume in ${folder} is in use by ${who}`,
    holder ? { pid: holder.pid } : {},
  )
}

/** Null for a file that names nobody, or nobody that can be understood. */
function readHolder(path: string): Holder | null {
  const [pid, started, method] = fs.readFileSync(path, 'utf8').trim().split(' ')
  const id = Number(pid)
  if (!Number.isSafeInteger(id) || id <= 0 || (method !== 'flock' && method !== 'file')) return null
  return { pid: id, started: started === undefined || started === '-' ? null : started, method }
}

function describeSelf(method: Holder['method']): string {
  return `${process.pid} ${startOf(process.pid) ?? '-'} ${method}\n`
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') return false
  }
  const started = startOf(holder.pid)
  return holder.started === null || started === null || started === holder.started
}

/** The boot of the machine and the tick in it at which the process began; null where /proc does not tell. */
function startOf(pid: number): string | null {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and brackets: count from behind it. The start is field 22 of all.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return tick === undefined ? null : `${boot}/${tick}`
  } catch {
    return null
  }
}

function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch {
    // Closed before.
  }
}
