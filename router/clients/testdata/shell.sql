-- What a person types into the mariadb shell. It is played by -vvv --force, so that
-- errors do not end it.
DROP DATABASE seen; CREATE DATABASE seen CHARACTER SET utf8mb4; USE seen
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(20), b BLOB, d DECIMAL(10,3), at DATETIME(6), j JSON) ENGINE=InnoDB;
INSERT INTO t (a, b, d, at, j) VALUES ('one', x'00ff27', 1.5, '2024-02-29 01:02:03.456789', '{"x": 1}'), ('zwölf ☃ 𝄞', NULL, -0.001, NULL, NULL);
SELECT * FROM t\G
SELECT LAST_INSERT_ID(), ROW_COUNT();
SELECT COUNT(*) AS `a name with ☃`, MAX(d), SUM(id), AVG(d) FROM t;
UPDATE t SET a = CONCAT(a, '!') WHERE id < 10;
UPDATE t SET a = a;
-- warnings
INSERT IGNORE INTO t (a) VALUES ('much longer than the twenty characters');
SHOW WARNINGS;
SELECT 1/0, CAST('12x' AS INT);
SHOW COUNT(*) WARNINGS;
\W
SELECT CAST('13y' AS INT) FROM t LIMIT 1;
\w
-- errors, each with its number and state
SELECT * FROM nowhere;
SELEC 1;
INSERT INTO t (id) VALUES (1);
INSERT INTO t (nothing) VALUES (1);
USE nowhere;
SELECT a FROM t WHERE a = (SELECT a FROM t);
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mein Fehler ☃', MYSQL_ERRNO = 4711;
-- procedures and delimiters
DELIMITER //
CREATE PROCEDURE twice(IN n INT, OUT m INT)
BEGIN
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  SET m = 2 * n;
  SELECT n AS first;
  SELECT a FROM t WHERE id = n;
  INSERT INTO t (a) VALUES (CONCAT('by twice ', n));
END//
CREATE FUNCTION plus_one(n INT) RETURNS INT DETERMINISTIC RETURN n + 1//
CREATE TRIGGER before_t BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.d = COALESCE(NEW.d, 42); END//
DELIMITER ;
CALL twice(2, @m);
SELECT @m, plus_one(41);
INSERT INTO t (a) VALUES ('triggered');
SELECT a, d FROM t ORDER BY id DESC LIMIT 1;
SHOW CREATE PROCEDURE twice\G
-- transactions
BEGIN;
INSERT INTO t (a) VALUES ('gone');
SAVEPOINT s;
DELETE FROM t;
ROLLBACK TO s;
SELECT COUNT(*) FROM t;
ROLLBACK;
START TRANSACTION READ ONLY;
SELECT COUNT(*) FROM t;
INSERT INTO t (a) VALUES ('not here');
COMMIT;
SET autocommit = 0; INSERT INTO t (a) VALUES ('kept'); COMMIT; INSERT INTO t (a) VALUES ('not kept'); SET autocommit = 1;
-- prepared by text, variables, temporary tables
PREPARE p FROM 'SELECT a, ? AS x FROM t WHERE id = ?'; SET @a = 'ä', @b = 1; EXECUTE p USING @a, @b; DEALLOCATE PREPARE p;
CREATE TEMPORARY TABLE tmp AS SELECT id, a FROM t; SELECT COUNT(*) FROM tmp; DROP TEMPORARY TABLE tmp;
SET NAMES latin1; SELECT 'ä', HEX('ä'), @@character_set_client; SET NAMES utf8mb4;
SET sql_mode = 'ANSI_QUOTES'; SELECT "a" FROM t WHERE id = 1; SET sql_mode = DEFAULT;
SET time_zone = '+05:30'; SELECT FROM_UNIXTIME(0), @@time_zone; SET time_zone = DEFAULT;
SHOW TABLES; DESCRIBE t; SHOW CREATE TABLE t; SHOW INDEX FROM t\G
SHOW VARIABLES LIKE 'version_comment'; SELECT @init;
HELP SELECT
EXPLAIN SELECT * FROM t WHERE id = 1;
CHECKSUM TABLE t; CHECK TABLE t; ANALYZE TABLE t;
LOCK TABLES t WRITE; INSERT INTO t (a) VALUES ('locked'); UNLOCK TABLES;
HANDLER t OPEN; HANDLER t READ FIRST; HANDLER t CLOSE;
SELECT GET_LOCK('l', 1), IS_USED_LOCK('l') = CONNECTION_ID(), RELEASE_LOCK('l');
SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 2; SELECT FOUND_ROWS();
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT GROUP_CONCAT(i) FROM n;
INSERT INTO t (a) VALUES ('returned') RETURNING id, a; DELETE FROM t WHERE a = 'returned' RETURNING a;
VALUES (1, 'x'), (2, 'y');
BEGIN NOT ATOMIC SELECT 'compound'; SELECT 'statement'; END;
SELECT REPEAT('x', 100000) = REPEAT('x', 100000) AS same;
SELECT HEX(b), LENGTH(REPEAT(x'00', 300000)) FROM t WHERE id = 1;
\! echo a command of the machine
source DIR/sourced.sql
\c this is forgotten
SELECT 'the end';
