/** Names for the generated shapes. `meta` is plain text here: the percent-encoding of the contract is the client's. */
import type { components } from './generated/contract.ts'

type Schemas = components['schemas']

export type Stat = Schemas['Stat']
export type ListedEntry = Schemas['ListedEntry']
export type Listing = Schemas['Listing']
export type WrittenEntry = Schemas['WrittenEntry']
export type PatchedFile = Schemas['PatchedFile']
export type BatchAnswer = Schemas['BatchAnswer']
export type BatchOperation = Schemas['BatchOperation']
export type ConsistencyPoint = Schemas['ConsistencyPoint']
export type ConsistencyPoints = Schemas['ConsistencyPoints']
export type Mirror = Schemas['Mirror']
export type Mirrors = Schemas['Mirrors']
export type MirrorStatus = Schemas['MirrorStatus']
export type Token = Schemas['Token']
export type Tokens = Schemas['Tokens']
export type NewToken = Schemas['NewToken']
export type CreatedToken = Schemas['CreatedToken']
export type RevokedToken = Schemas['RevokedToken']
export type Whoami = Schemas['Whoami']
export type SqlAnswer = Schemas['SqlAnswer']
export type SqlSchema = Schemas['SqlSchema']
export type ServerStatus = Schemas['Status']
export type Durability = WrittenEntry['durability']
/** Answer to a change, with the run of the server that gave it; null where the server, or a proxy, does not say. */
export type Opened<T> = T & { readonly opening: string | null }
