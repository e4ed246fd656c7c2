/** Which edits of the catalogue are meant: by rooms of tools/floors.ts. */
import { inSources, roomOf, rooms } from '../floors.ts'

/** The folders below routes and server: what is durable, replicated and read is decided there. */
export const lowerFolders = ['blockdev', 'cp-engine', 'format', 'fs', 'lib', 'replica'] as const

export const roomOfSource = (file: string): string => roomOf(inSources(file))

/** A name means the room and all rooms in its folder. */
export function isInRooms(file: string, names: readonly string[]): boolean {
  const room = roomOfSource(file)
  return names.some((name) => room === name || room.startsWith(`${name}/`))
}

export const isRoomName = (name: string): boolean =>
  Object.keys(rooms).some((room) => room === name || room.startsWith(`${name}/`))
