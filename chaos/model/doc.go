// Package model is the catalogue of the protocol's models.
package model
