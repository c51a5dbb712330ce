//! Los códigos de error del servidor que se distinguen, con el nombre que les da MongoDB:
//! <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>

/// Ya hay un documento con ese `_id` (`DuplicateKey`).
pub(super) const REPETIDO: i32 = 11000;

/// Casi todo lo que Atlas pone de su parte, como la cuota (`AtlasError`).
pub(super) const ATLAS: i32 = 8000;

/// Sin permiso: en un MongoDB propio (`Unauthorized`) y en Atlas.
pub(super) const SIN_PERMISO: [i32; 2] = [13, ATLAS];

/// Ya hay un índice igual con otro nombre u otras opciones (`IndexOptionsConflict`, `IndexKeySpecsConflict`).
pub(super) const INDICE_PARECIDO: [i32; 2] = [85, 86];

/// Los que hablan del documento que se guarda, y de nada más.
const DEL_DOCUMENTO: [i32; 19] = [
    2,     // BadValue
    9,     // FailedToParse
    14,    // TypeMismatch
    15,    // Overflow: más de 100 niveles
    16,    // InvalidLength
    22,    // InvalidBSON
    28,    // PathNotViable
    52,    // DollarPrefixedFieldName
    53,    // InvalidIdField
    55,    // InvalidDBRef
    56,    // EmptyFieldName
    57,    // DottedFieldName
    121,   // DocumentValidationFailure
    238,   // NotImplemented: un tipo que ese servidor no tiene
    10334, // BSONObjectTooLarge
    16755, // un índice geográfico que no lo entiende
    17280, // KeyTooLong
    17419, // el documento no cabe en 16 MB
    17420, // ídem
];

const NO_ES_PRIMARIO: &str = "no es el primario de su conjunto de réplicas: puede que estén eligiendo otro, o que MONGODB_URI lleve a una réplica secundaria (quita directConnection, o pon la dirección del primario)";
pub(super) const SIN_INICIAR: &str =
    "su conjunto de réplicas no está iniciado: ejecuta en él rs.initiate() con mongosh";
const SE_PARA: &str = "se está parando o reiniciando";
const DESPACIO: &str = "no acaba a tiempo lo que se le pide";
const CHOQUE: &str = "otra escritura u orden lo estorba";
const SIN_LOS_SUYOS: &str = "no llega a las demás máquinas de su clúster";
const SATURADO: &str = "está saturado y pide ir más despacio";

/// Los que se arreglan solos o los arregla quien lleve el servidor, que sí contesta.
const PASAJEROS: [(i32, &str); 27] = [
    (6, SIN_LOS_SUYOS),                         // HostUnreachable
    (7, SIN_LOS_SUYOS),                         // HostNotFound
    (24, CHOQUE),                               // LockTimeout
    (46, CHOQUE),                               // LockBusy
    (50, DESPACIO),                             // MaxTimeMSExpired
    (64, DESPACIO),                             // WriteConcernTimeout
    (89, SIN_LOS_SUYOS),                        // NetworkTimeout
    (91, SE_PARA),                              // ShutdownInProgress
    (94, SIN_INICIAR),                          // NotYetInitialized
    (112, CHOQUE),                              // WriteConflict
    (133, SIN_LOS_SUYOS),                       // FailedToSatisfyReadPreference
    (134, DESPACIO),                            // ReadConcernMajorityNotAvailableYet
    (189, NO_ES_PRIMARIO),                      // PrimarySteppedDown
    (202, SIN_LOS_SUYOS),                       // NetworkInterfaceExceededTimeLimit
    (262, DESPACIO),                            // ExceededTimeLimit
    (462, SATURADO),                            // IngressRequestRateLimitExceeded
    (9001, SIN_LOS_SUYOS),                      // SocketException
    (10058, NO_ES_PRIMARIO),                    // LegacyNotPrimary
    (10107, NO_ES_PRIMARIO),                    // NotWritablePrimary
    (11600, SE_PARA),                           // InterruptedAtShutdown
    (11601, CHOQUE),                            // Interrupted
    (11602, NO_ES_PRIMARIO),                    // InterruptedDueToReplStateChange
    (13388, CHOQUE),                            // StaleConfig
    (13435, NO_ES_PRIMARIO),                    // NotPrimaryNoSecondaryOk
    (13436, SIN_INICIAR_O_PRIMARIO),            // NotPrimaryOrSecondary
    (14031, "no le queda espacio en el disco"), // OutOfDiskSpace
    (16500, SATURADO),                          // TooManyRequests, de Cosmos DB
];

const SIN_INICIAR_O_PRIMARIO: &str = "todavía no es ni primario ni secundario: está arrancando, o su conjunto de réplicas no está iniciado (rs.initiate(), con mongosh)";

/// Si el código habla del documento que se guarda.
pub(super) fn es_del_documento(codigo: i32) -> bool {
    DEL_DOCUMENTO.contains(&codigo)
}

/// Qué le pasa a un servidor que contesta con ese código, si es de los que se arreglan esperando.
pub(super) fn pasajero(codigo: i32) -> Option<&'static str> {
    PASAJEROS.iter().find(|(uno, _)| *uno == codigo).map(|(_, que)| *que)
}
