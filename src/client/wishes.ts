/** Wishes of a caller: what a request carries beside the path. */

export interface NewToken {
  readonly name: string
  readonly role: string
  readonly prefix?: string
  /** RFC 3339. */
  readonly expiresAt?: string
}

/** Attributes that a writer gives to an entry. */
export interface SentAttributes {
  readonly mode?: number
  /** RFC 3339. */
  readonly modified?: string
  readonly contentType?: string
}

/** The image to read: the newest, exactly `cp`, an image that is no older than `minCp`, or the newest of a time. */
export interface Reading {
  readonly cp?: number | undefined
  readonly at?: string | undefined
  readonly minCp?: number | undefined
  /** Longest wait for a CP that is yet to come, in seconds. */
  readonly wait?: number | undefined
}

export interface SqlWish {
  readonly query: string
  /** Texts for the parameters of the query, in their order. */
  readonly params?: readonly string[]
  readonly maxRows?: number | undefined
}

export interface Writing {
  readonly durability?: string | undefined
  readonly mirrors?: number | undefined
  readonly wait?: number | undefined
}

/** Options that stay the same for all pages of a listing. */
export interface PageOptions {
  readonly recursive?: boolean | undefined
  readonly limit?: number
  /** Files up to this size, in bytes, bring their content. */
  readonly content?: number
}
