//! Numbers of TIFF 6.0 and its extensions: tags, compressions, photometric interpretations.

#![expect(missing_docs, reason = "the names are the specification's")]

/// Tags of a directory.
pub mod tag {
    pub const NEW_SUBFILE_TYPE: u16 = 254;
    pub const IMAGE_WIDTH: u16 = 256;
    pub const IMAGE_LENGTH: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const DOCUMENT_NAME: u16 = 269;
    pub const IMAGE_DESCRIPTION: u16 = 270;
    pub const MAKE: u16 = 271;
    pub const MODEL: u16 = 272;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTE_COUNTS: u16 = 279;
    pub const X_RESOLUTION: u16 = 282;
    pub const Y_RESOLUTION: u16 = 283;
    pub const PLANAR_CONFIGURATION: u16 = 284;
    pub const X_POSITION: u16 = 286;
    pub const Y_POSITION: u16 = 287;
    pub const T4_OPTIONS: u16 = 292;
    pub const RESOLUTION_UNIT: u16 = 296;
    pub const SOFTWARE: u16 = 305;
    pub const DATE_TIME: u16 = 306;
    pub const ARTIST: u16 = 315;
    pub const HOST_COMPUTER: u16 = 316;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTE_COUNTS: u16 = 325;
    pub const SUB_IFDS: u16 = 330;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const JPEG_INTERCHANGE_FORMAT: u16 = 513;
    pub const YCBCR_COEFFICIENTS: u16 = 529;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
    pub const REFERENCE_BLACK_WHITE: u16 = 532;
    pub const XML_PACKET: u16 = 700;
    pub const COPYRIGHT: u16 = 33432;
    pub const ICC_PROFILE: u16 = 34675;
    pub const IMAGE_DEPTH: u16 = 32997;
    pub const ARGOS_XML: u16 = 65000;
    pub const NDPI_VERSION: u16 = 65420;
}

/// Values of tag 259.
pub mod compression {
    pub const NONE: u16 = 1;
    pub const CCITT_RLE: u16 = 2;
    pub const CCITT_T4: u16 = 3;
    pub const CCITT_T6: u16 = 4;
    pub const LZW: u16 = 5;
    pub const OLD_JPEG: u16 = 6;
    pub const JPEG: u16 = 7;
    pub const DEFLATE: u16 = 8;
    pub const JBIG: u16 = 34661;
    pub const PACK_BITS: u16 = 32773;
    pub const OLD_DEFLATE: u16 = 32946;
    pub const JPEG_2000: u16 = 34712;
    pub const APERIO_JPEG_2000_YCBCR: u16 = 33003;
    pub const APERIO_JPEG_2000_RGB: u16 = 33005;
    pub const LERC: u16 = 34887;
    pub const LZMA: u16 = 34925;
    pub const ZSTD: u16 = 50000;
    pub const WEBP: u16 = 50001;

    /// The compression by name, for layouts and for errors about those that are not read.
    #[must_use]
    pub fn name(compression: u16) -> &'static str {
        match compression {
            NONE => "none",
            CCITT_RLE => "ccitt-rle",
            CCITT_T4 => "ccitt-t4",
            CCITT_T6 => "ccitt-t6",
            LZW => "lzw",
            OLD_JPEG => "old-style JPEG",
            JPEG => "jpeg",
            DEFLATE | OLD_DEFLATE => "deflate",
            9 | 10 | JBIG => "JBIG",
            32766 => "NeXT",
            PACK_BITS => "packbits",
            32809 => "ThunderScan",
            32908 => "PixarFilm",
            32909 => "PixarLog",
            32947 => "DCS",
            34676 => "SGILog",
            34677 => "SGILog24",
            JPEG_2000 => "jpeg2000",
            APERIO_JPEG_2000_YCBCR => "jpeg2000-ycbcr (Aperio)",
            APERIO_JPEG_2000_RGB => "jpeg2000-rgb (Aperio)",
            LERC => "LERC",
            LZMA => "lzma",
            34933 => "PNG",
            34934 | 22610 => "JPEG XR",
            ZSTD => "zstd",
            WEBP => "webp",
            50002 | 52546 => "JPEG XL",
            _ => "unknown",
        }
    }
}

/// Values of tag 262.
pub mod photometric {
    pub const MIN_IS_WHITE: u16 = 0;
    pub const MIN_IS_BLACK: u16 = 1;
    pub const RGB: u16 = 2;
    pub const PALETTE: u16 = 3;
    pub const TRANSPARENCY_MASK: u16 = 4;
    pub const SEPARATED: u16 = 5;
    pub const YCBCR: u16 = 6;
    pub const CIELAB: u16 = 8;
}
