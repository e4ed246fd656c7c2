/** Generated from openapi/ by `npm run generate -- sdk`. */
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly Problem: {
            /** @example urn:stillpoint:not-found */
            readonly type: string;
            readonly title: string;
            readonly status: number;
            /** @enum {string} */
            readonly code: "bad-path" | "bad-parameter" | "bad-json" | "bad-cursor" | "bad-sql" | "digest-mismatch" | "metadata-too-large" | "unauthorized" | "forbidden" | "not-found" | "is-a-directory" | "not-a-directory" | "is-a-link" | "exists" | "into-itself" | "directory-not-empty" | "opening-changed" | "method-not-allowed" | "precondition-failed" | "cp-gone" | "cp-lost" | "range-not-satisfiable" | "wrong-host" | "too-many-requests" | "too-large" | "sql-limit" | "unsupported-media-type" | "not-yet" | "busy" | "catalog-unready" | "too-many-pins" | "fenced" | "poisoned" | "newer-format" | "older-format" | "corrupt" | "disk-full" | "internal";
            readonly detail: string;
            /** @description Of the operation of a batch that failed */
            readonly index?: number;
        } & {
            readonly [key: string]: unknown;
        };
        readonly Stat: {
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            /** @enum {string} */
            readonly kind: "file" | "directory" | "link";
            readonly size: number;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly etag: string;
            readonly contentType: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly created: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly modified: string;
            /**
             * @description Octal
             * @example 0644
             */
            readonly mode: string;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @example {
             *       "owner": "alice"
             *     }
             */
            readonly meta: {
                readonly [key: string]: string;
            };
            /** @description Of a link */
            readonly target?: string;
        };
        readonly Listing: {
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            readonly entries: readonly components["schemas"]["ListedEntry"][];
            /** @description The cursor of the next page */
            readonly next: string | null;
        };
        /** @description `path` is relative to the listed directory */
        readonly ListedEntry: {
            readonly name: string;
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            /** @enum {string} */
            readonly kind: "file" | "directory" | "link";
            readonly size: number;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly etag: string;
            readonly contentType: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly created: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly modified: string;
            /**
             * @description Octal
             * @example 0644
             */
            readonly mode: string;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @example {
             *       "owner": "alice"
             *     }
             */
            readonly meta: {
                readonly [key: string]: string;
            };
            /** @description Of a link */
            readonly target?: string;
            /** @description Base64, where it was asked for */
            readonly content?: string;
        };
        readonly ConsistencyPoints: {
            readonly items: readonly components["schemas"]["ConsistencyPoint"][];
            readonly next: string | null;
        };
        readonly ConsistencyPoint: {
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            readonly epoch: number;
            /** @description SHA-256 of the root node, hexadecimal */
            readonly rootHash: string;
            /**
             * @description Why it was taken; `mirrored` on a mirror
             * @example timer
             */
            readonly cause: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly committedAt: string;
            readonly blocksWritten: number;
            readonly bytesWritten: number;
            readonly coalesced: number;
            /** @description Readable now, with ?cp= */
            readonly retained: boolean;
        };
        readonly SqlAnswer: {
            /**
             * @description The consistency point that the files are true for
             * @example 42
             */
            readonly cp: number;
            readonly columns: readonly {
                /** @example path */
                readonly name: string;
                /**
                 * @description As declared, otherwise that of the first value that is not null
                 * @enum {string|null}
                 */
                readonly type: "integer" | "real" | "text" | "blob" | null;
            }[];
            /**
             * @description An integer beyond 2^53 is text, and so is a blob, in hexadecimal
             * @example [
             *       [
             *         "docs/readme.txt",
             *         120
             *       ]
             *     ]
             */
            readonly rows: readonly (readonly (string | number | null)[])[];
            /** @description True when there are more rows */
            readonly truncated: boolean;
        };
        readonly SqlQuestion: {
            /**
             * @description One SELECT over the views of the schema
             * @example SELECT path, size FROM files WHERE kind = ? ORDER BY size DESC LIMIT 10
             */
            readonly query: string;
            /**
             * @description Values of the parameters ?, in their order
             * @example [
             *       "file"
             *     ]
             */
            readonly params?: readonly (string | number | boolean | null)[];
            /** @description Rows of the answer at most */
            readonly maxRows?: number;
        };
        readonly SqlSchema: {
            readonly views: readonly {
                /** @example files */
                readonly name: string;
                readonly description: string;
                readonly columns: readonly {
                    /** @example path */
                    readonly name: string;
                    /** @enum {string} */
                    readonly type: "integer" | "real" | "text";
                    readonly description: string;
                }[];
            }[];
        };
        readonly MirrorStatus: {
            readonly id: string;
            readonly volume: string | null;
            /** @enum {string} */
            readonly state: "live" | "catching-up" | "stalled" | "away";
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly targetCp: number | null;
            /** @description Consistency points of its primary that it has heard of and lacks */
            readonly lagCps: number;
            /** @description Since it has first heard of one that it lacks */
            readonly lagMs: number;
            readonly needs: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly lastSeen: string | null;
        };
        readonly Tokens: {
            readonly items: readonly components["schemas"]["Token"][];
        };
        readonly Token: {
            readonly id: string;
            /** @example backup of the web site */
            readonly name: string;
            /** @enum {string} */
            readonly role: "reader" | "writer" | "monitor" | "admin";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly prefix: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly createdAt: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly expiresAt: string | null;
            /**
             * Format: date
             * @description Day of the last use here since the server was started
             */
            readonly lastUsed: string | null;
        };
        readonly Whoami: {
            /** @description Null without a token, where none is needed */
            readonly id: string | null;
            readonly name: string | null;
            /** @enum {string} */
            readonly role: "reader" | "writer" | "monitor" | "admin";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly prefix: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly expiresAt: string | null;
        };
        readonly Status: {
            /** @enum {string} */
            readonly role: "primary" | "mirror";
            /** @description Whether reads are served */
            readonly ready: boolean;
            /** @description Why it is not ready, or takes no writes, and what helps */
            readonly reason: string | null;
            /**
             * @description The newest published consistency point; 0 before the first
             * @example 42
             */
            readonly cp: number;
            /**
             * @description It is raised when another primary takes over
             * @example 0
             */
            readonly epoch: number;
            /**
             * @description How often the volume was opened for writing
             * @example 7
             */
            readonly opening: number;
            /** @example 0.1.0 */
            readonly version: string;
            /** @description Null when it runs from its source */
            readonly commit: string | null;
            /**
             * @description Of volumes that it writes
             * @example 1
             */
            readonly format: number;
            /**
             * @description Since the volume was opened
             * @example 86400000
             */
            readonly uptimeMs: number;
            readonly space: components["schemas"]["Space"];
            readonly catalog: components["schemas"]["CatalogState"];
        };
        readonly Space: {
            readonly usedBytes: number;
            /** @description Up to `maxBytes`, as far as the disk has it */
            readonly freeBytes: number;
            /** @description What clients can write before the block file grows; 0 on a mirror */
            readonly writableBytes: number;
            /** @description What a consistency point or a reader gives back */
            readonly pendingBytes: number;
            /** @description The volume never grows beyond this */
            readonly maxBytes: number;
            /** @description Size of the block file */
            readonly fileBytes: number;
        };
        readonly CatalogState: {
            /**
             * @description `off` with `--catalog-files off`; `filling` while the files are filled anew
             * @enum {string}
             */
            readonly state: "off" | "filling" | "behind" | "current";
            /**
             * @description What the files of the catalog are true for
             * @example 42
             */
            readonly cp: number | null;
            readonly behindCps: number;
            /** @description Since the first publication that the catalog lacks */
            readonly behindMs: number;
        };
        readonly Health: {
            /** @enum {string} */
            readonly status: "ok";
            /** @description Why a primary only reads, and what helps */
            readonly fenced?: string;
        };
        readonly WrittenEntry: {
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            readonly size: number;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly etag: string;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description The level that was reached
             * @enum {string}
             */
            readonly durability: "buffered" | "logged" | "committed" | "mirrored";
        };
        readonly PatchedFile: {
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            readonly size: number;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly etag: string;
            /** @description Where the bytes were written */
            readonly offset: number;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description The level that was reached
             * @enum {string}
             */
            readonly durability: "buffered" | "logged" | "committed" | "mirrored";
        };
        readonly Move: {
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly from: string;
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly to: string;
            /** @description Replace what is at `to`; not unless given */
            readonly overwrite?: boolean;
            /**
             * @description Of what is moved
             * @example "1-2-3"
             */
            readonly ifMatch?: string;
        };
        readonly BatchAnswer: {
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description The level that was reached
             * @enum {string}
             */
            readonly durability: "buffered" | "logged" | "committed" | "mirrored";
            readonly results: readonly components["schemas"]["BatchResult"][];
        };
        readonly BatchResult: {
            readonly status: number;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly etag: string | null;
        };
        readonly Batch: {
            readonly operations: readonly components["schemas"]["BatchOperation"][];
        };
        readonly BatchOperation: {
            /** @enum {string} */
            readonly op: "put";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            /** @description Base64; or `text` */
            readonly content?: string;
            readonly text?: string;
            readonly contentType?: string;
            /**
             * @example {
             *       "owner": "alice"
             *     }
             */
            readonly meta?: {
                readonly [key: string]: string;
            };
            /**
             * @description Octal
             * @example 0644
             */
            readonly mode?: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly modified?: string;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifMatch?: string;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifNoneMatch?: string;
        } | {
            /** @enum {string} */
            readonly op: "delete";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            readonly recursive?: boolean;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifMatch?: string;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifNoneMatch?: string;
        } | {
            /** @enum {string} */
            readonly op: "mkdir";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly path: string;
            /**
             * @example {
             *       "owner": "alice"
             *     }
             */
            readonly meta?: {
                readonly [key: string]: string;
            };
            /**
             * @description Octal
             * @example 0644
             */
            readonly mode?: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly modified?: string;
        } | {
            /** @enum {string} */
            readonly op: "move";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly from: string;
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly to: string;
            readonly overwrite?: boolean;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifMatch?: string;
            /**
             * @description As in the header, with its quotes
             * @example "1-2-3"
             */
            readonly ifNoneMatch?: string;
        };
        readonly Mirrors: {
            readonly items: readonly components["schemas"]["Mirror"][];
        };
        readonly Mirror: {
            readonly id: string;
            readonly url: string;
            /** @enum {string} */
            readonly state: "live" | "catching-up" | "stalled" | "away";
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number | null;
            readonly lagCps: number | null;
            readonly lagMs: number | null;
            readonly needs: string | null;
            readonly heldBytes: number | null;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly lastSeen: string | null;
        };
        readonly NewMirror: {
            /** @example http://127.0.0.1:7071 */
            readonly url: string;
            /** @description The pairing code that a new mirror shows once */
            readonly code?: string;
        };
        readonly CreatedToken: {
            readonly id: string;
            /** @example backup of the web site */
            readonly name: string;
            /** @enum {string} */
            readonly role: "reader" | "writer" | "monitor" | "admin";
            /**
             * @description Never percent-encoded, no leading slash; the root is ""
             * @example docs/readme.txt
             */
            readonly prefix: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly createdAt: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly expiresAt: string | null;
            /** @description Shown here, and never again */
            readonly token: string;
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description The level that was reached
             * @enum {string}
             */
            readonly durability: "buffered" | "logged" | "committed" | "mirrored";
        };
        readonly NewToken: {
            /**
             * @description For people; 1 to 64 bytes
             * @example backup of the web site
             */
            readonly name: string;
            /** @enum {string} */
            readonly role: "reader" | "writer" | "monitor" | "admin";
            /**
             * @description The path that the token opens; everything unless given
             * @example docs/readme.txt
             */
            readonly prefix?: string;
            /**
             * Format: date-time
             * @example 2026-01-31T12:00:00.000Z
             */
            readonly expiresAt?: string;
        };
        readonly RevokedToken: {
            /**
             * @description Number of a consistency point
             * @example 42
             */
            readonly cp: number;
            /**
             * @description The level that was reached
             * @enum {string}
             */
            readonly durability: "buffered" | "logged" | "committed" | "mirrored";
            /** @description Ids of the mirrors that may not know it yet */
            readonly unconfirmed: readonly string[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
