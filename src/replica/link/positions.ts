import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { type Position, nowhere } from '../../format/wire/messages.ts'

/** Names a root on the wire. */
export const positionOf = ({ root, hash }: PublishedRoot): Position => ({ cp: root.cp, hash })

export const publishedPosition = (root: PublishedRoot | null): Position => (root ? positionOf(root) : nowhere)
