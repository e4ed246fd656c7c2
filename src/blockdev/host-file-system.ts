/**
 * Exempts block files from copy-on-write, and tells where the host's file system does not allow that.
 *
 * The host's file system is part of the device. On a copy-on-write file system a block that was allocated still needs
 * a new block each time it is written again. On a full disk such a write fails, so the blocks that the volume counts
 * as free are not usable.
 *
 * So a block file is exempted (attribute C) where the attribute exists. The attribute takes effect on an empty file
 * only, or on a folder for the files that are made in the folder later. A snapshot or a reflink copy of an exempt
 * file shares the blocks of the file, so the first write to each shared block is a copy after all.
 */
import * as fs from 'node:fs'
import { readInodeFlags, writeInodeFlags } from './libc.ts'

/** The key is the file system type that statfs reports. */
const copyOnWriteTypes: ReadonlyMap<number, { readonly name: string; readonly canExempt: boolean }> = new Map(
  [
    [0x9123683e, { name: 'btrfs', canExempt: true }],
    [0xca451a4e, { name: 'bcachefs', canExempt: true }],
    [0x2fc12fc1, { name: 'zfs', canExempt: false }],
    [0x3434, { name: 'nilfs2', canExempt: false }],
  ],
)

const noCopyOnWrite = 0x0080_0000

/**
 * Sets the attribute of an empty file or of a folder. Does nothing where the file system does not copy on write or
 * offers no exemption.
 */
export function exemptFromCopyOnWrite(path: string): void {
  if (!typeOf(path)?.canExempt) return
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY)
  try {
    const flags = readInodeFlags(descriptor)
    if (flags !== null) writeInodeFlags(descriptor, flags | noCopyOnWrite)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Says in words why a write to a block that the file already has may lack space; null when no such write can. */
export function copyOnWriteProblem(path: string): string | null {
  const type = typeOf(path)
  if (!type) return null
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY)
  try {
    const flags = readInodeFlags(descriptor) ?? 0
    if ((flags & noCopyOnWrite) !== 0) return null
  } finally {
    fs.closeSync(descriptor)
  }
  const what = `${path} is copied on write (${type.name}): when the disk is full a write to space that it has can fail, and the server stops`
  return type.canExempt ? `${what}; a file that is made anew in an empty folder is exempt` : what
}

function typeOf(path: string) {
  try {
    return copyOnWriteTypes.get(fs.statfsSync(path).type >>> 0) ?? null
  } catch {
    return null
  }
}
