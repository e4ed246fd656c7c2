CREATE TABLE `audit_rows` (
	`id` integer PRIMARY KEY NOT NULL,
	`event` text NOT NULL,
	`who` text,
	`what` text NOT NULL,
	`source` text,
	`left_out` integer NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_rows_at` ON `audit_rows` (`at_ms`);--> statement-breakpoint
CREATE VIEW `audit` AS select "id", strftime('%Y-%m-%dT%H:%M:%fZ', "at_ms" / 1000.0, 'unixepoch') as "at", "event", "who", "what", "source", "left_out", "at_ms" from "audit_rows";