/**
 * The host's file system is part of the device. On a copy-on-write one a block that was allocated still needs a new block
 * whenever it is written again: on a full disk that fails, and what the volume calls free is not.
 *
 * So a block file is exempted (attribute C) where that exists. The attribute takes effect on an empty file only, or on a
 * folder for the files that are made in it later. A snapshot or a reflink copy of an exempt file shares its blocks, and
 * then the first write of each is a copy after all.
 */
import * as fs from 'node:fs'
import { readInodeFlags, writeInodeFlags } from './libc.ts'

/** By the type that statfs tells. */
const copyOnWriteTypes: ReadonlyMap<number, { readonly name: string; readonly canExempt: boolean }> = new Map(
  [
    [0x9123683e, { name: 'btrfs', canExempt: true }],
    [0xca451a4e, { name: 'bcachefs', canExempt: true }],
    [0x2fc12fc1, { name: 'zfs', canExempt: false }],
    [0x3434, { name: 'nilfs2', canExempt: false }],
  ],
)

const noCopyOnWrite = 0x0080_0000

/** Of an empty file, or of a folder; does nothing where there is no copy-on-write or no way out of it. */
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

/** Why a block that the file has may still lack space when it is written, in words; null when it cannot. */
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
